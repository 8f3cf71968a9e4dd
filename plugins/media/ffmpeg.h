#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>
}

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "media/picture.h"

namespace cairn::media {

/// Frees what FFmpeg allocated, by the function that belongs to it.
struct FfmpegDeleter {
  void operator()(AVCodecContext* p) const { avcodec_free_context(&p); }
  void operator()(AVFrame* p) const { av_frame_free(&p); }
  void operator()(AVPacket* p) const { av_packet_free(&p); }
  void operator()(AVFormatContext* p) const { avformat_close_input(&p); }
  void operator()(SwsContext* p) const { sws_freeContext(p); }
  void operator()(AVIOContext* p) const {
    av_freep(&p->buffer);
    avio_context_free(&p);
  }
};

using CodecContextPtr = std::unique_ptr<AVCodecContext, FfmpegDeleter>;
using FramePtr = std::unique_ptr<AVFrame, FfmpegDeleter>;
using PacketPtr = std::unique_ptr<AVPacket, FfmpegDeleter>;
using FormatContextPtr = std::unique_ptr<AVFormatContext, FfmpegDeleter>;
using SwsContextPtr = std::unique_ptr<SwsContext, FfmpegDeleter>;
using AvioContextPtr = std::unique_ptr<AVIOContext, FfmpegDeleter>;

/// Keeps FFmpeg's complaints for fail_ffmpeg(), off the terminal. To be called before anything that may fail.
void silence_ffmpeg();

/// Throws what FFmpeg last complained about on this thread, or the text of `code`, as a DataError naming `name`.
[[noreturn]] void fail_ffmpeg(const std::string& name, int code);

/// Any frame as RGB: alpha dropped, 16 bits keep the upper 8, matrix and range as the frame says. DataError, naming
/// `name`, for pixel formats that cannot be turned into RGB.
Picture to_picture(const AVFrame& frame, const std::string& name);

/// Decodes a whole still-picture file, handed to the decoder as one packet. Alpha is dropped, 16 bits keep the upper 8.
/// DataError, naming `name`, if that fails.
Picture decode_still(std::span<const std::uint8_t> bytes, AVCodecID codec, const std::string& name);

/// The first picture of an ISO base media file (AVIF). DataError if there is none.
Picture decode_avif(std::span<const std::uint8_t> bytes, const std::string& name);

}  // namespace cairn::media

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

#include "picture.h"

namespace cairn::image {

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

/// Decodes a whole still-picture file, handed to the decoder as one packet. Alpha is dropped, 16 bits keep the upper 8.
/// DataError, naming `name`, if that fails.
Picture decode_still(std::span<const std::uint8_t> bytes, AVCodecID codec, const std::string& name);

/// The first picture of an ISO base media file (AVIF). DataError if there is none.
Picture decode_avif(std::span<const std::uint8_t> bytes, const std::string& name);

}  // namespace cairn::image

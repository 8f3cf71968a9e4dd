#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace cairn::media {

/// Frees what FFmpeg allocated, by the function that belongs to it.
struct FfmpegDeleter {
  void operator()(AVCodecContext* p) const { avcodec_free_context(&p); }
  void operator()(AVFrame* p) const { av_frame_free(&p); }
  void operator()(AVPacket* p) const { av_packet_free(&p); }
  void operator()(AVFormatContext* p) const { avformat_close_input(&p); }
  void operator()(AVIOContext* p) const {
    av_freep(&p->buffer);
    avio_context_free(&p);
  }
};

using CodecContextPtr = std::unique_ptr<AVCodecContext, FfmpegDeleter>;
using FramePtr = std::unique_ptr<AVFrame, FfmpegDeleter>;
using PacketPtr = std::unique_ptr<AVPacket, FfmpegDeleter>;
using FormatContextPtr = std::unique_ptr<AVFormatContext, FfmpegDeleter>;
using AvioContextPtr = std::unique_ptr<AVIOContext, FfmpegDeleter>;

/// Bytes from wherever, as FFmpeg reads a file: it seeks in them, and past their end finds none. Outlives whoever reads
/// from get().
class RangeInput {
 public:
  /// Fills `out` with the bytes from `offset` on, all of which are there. May throw.
  using Read = std::function<void(std::uint64_t offset, std::span<std::uint8_t> out)>;

  RangeInput(std::uint64_t size, Read read);
  RangeInput(const RangeInput&) = delete;
  RangeInput& operator=(const RangeInput&) = delete;

  AVIOContext* get() const { return io_.get(); }
  /// Throws what the last read threw, if it did: FFmpeg knows of a number only.
  void rethrow() const;

 private:
  static int read(void* self, std::uint8_t* to, int size);
  static std::int64_t seek(void* self, std::int64_t offset, int whence);

  std::uint64_t size_, at_ = 0;
  Read read_;
  std::exception_ptr failure_;
  AvioContextPtr io_;
};

/// A file in memory, whose bytes are borrowed.
class MemoryInput : public RangeInput {
 public:
  explicit MemoryInput(std::span<const std::uint8_t> bytes);
};

/// Keeps FFmpeg's complaints for fail_ffmpeg(), off the terminal. To be called before anything that may fail.
void silence_ffmpeg();

/// Throws what FFmpeg last complained about on this thread, or the text of `code`, as a DataError naming `name`.
[[noreturn]] void fail_ffmpeg(const std::string& name, int code);

}  // namespace cairn::media

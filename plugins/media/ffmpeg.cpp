#include "media/ffmpeg.h"

extern "C" {
#include <libavutil/log.h>
}

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <limits>
#include <mutex>
#include <utility>

#include "cairn/error.h"

namespace cairn::media {
namespace {

/// What FFmpeg last complained about on this thread.
std::string& last_complaint() {
  thread_local std::string text;
  return text;
}

void note_complaint(void*, int level, const char* format, va_list arguments) {
  if (level > AV_LOG_ERROR) return;
  std::array<char, 256> line{};
  std::vsnprintf(line.data(), line.size(), format, arguments);
  last_complaint() = line.data();
  while (!last_complaint().empty() && (last_complaint().back() == '\n' || last_complaint().back() == '.'))
    last_complaint().pop_back();
}

}  // namespace

RangeInput::RangeInput(std::uint64_t size, Read read) : size_(size), read_(std::move(read)) {
  constexpr int kBuffer = 1 << 15;
  auto* buffer = static_cast<std::uint8_t*>(av_malloc(kBuffer));
  io_.reset(avio_alloc_context(buffer, kBuffer, /*write_flag=*/0, this, &RangeInput::read, nullptr, seek));
}

void RangeInput::rethrow() const {
  if (failure_) std::rethrow_exception(failure_);
}

int RangeInput::read(void* self, std::uint8_t* to, int size) {
  auto& input = *static_cast<RangeInput*>(self);
  const std::uint64_t left = input.size_ - std::min(input.at_, input.size_);
  const auto count = static_cast<std::size_t>(std::min(static_cast<std::uint64_t>(size), left));
  if (count == 0) return AVERROR_EOF;
  try {
    input.read_(input.at_, {to, count});
  } catch (...) {
    input.failure_ = std::current_exception();
    return AVERROR(EIO);
  }
  input.failure_ = nullptr;
  input.at_ += count;
  return static_cast<int>(count);
}

std::int64_t RangeInput::seek(void* self, std::int64_t offset, int whence) {
  auto& input = *static_cast<RangeInput*>(self);
  const auto size = static_cast<std::int64_t>(input.size_);
  if (whence == AVSEEK_SIZE) return size;
  const std::int64_t base = whence == SEEK_CUR ? static_cast<std::int64_t>(input.at_) : whence == SEEK_END ? size : 0;
  if (offset < -base || offset > std::numeric_limits<std::int64_t>::max() - base) return AVERROR(EINVAL);
  input.at_ = static_cast<std::uint64_t>(base + offset);
  return base + offset;
}

MemoryInput::MemoryInput(std::span<const std::uint8_t> bytes)
    : RangeInput(bytes.size(), [bytes](std::uint64_t offset, std::span<std::uint8_t> out) {
        std::copy_n(bytes.data() + offset, out.size(), out.data());
      }) {}

void silence_ffmpeg() {
  static std::once_flag once;
  std::call_once(once, [] { av_log_set_callback(note_complaint); });
  last_complaint().clear();
}

void fail_ffmpeg(const std::string& name, int code) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(code, text.data(), text.size());
  const std::string reason = last_complaint().empty() ? text.data() : last_complaint();
  throw DataError("cannot be decoded (" + reason + ")", name, "replace or remove the file");
}

}  // namespace cairn::media

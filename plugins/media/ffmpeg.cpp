#include "media/ffmpeg.h"

extern "C" {
#include <libavutil/log.h>
}

#include <array>
#include <cstdarg>
#include <cstdio>
#include <mutex>

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

#include "report/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace cairn {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value && *value;
}

bool is_dumb() {
  const char* term = std::getenv("TERM");
  return !term || std::string_view(term) == "dumb";
}

}  // namespace

std::size_t columns(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += is_continuation(c) ? 0 : 1;
  return count;
}

std::string_view first_columns(std::string_view text, std::size_t most) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (!is_continuation(text[i]) && count++ == most) return text.substr(0, i);
  return text;
}

Terminal::Terminal(std::FILE* stream)
    : stream_(stream),
      is_terminal_(isatty(fileno(stream)) && !is_dumb()),
      has_colour_(is_terminal_ && !is_set("NO_COLOR")) {}

Terminal::Terminal(std::FILE* stream, bool is_terminal, std::size_t width)
    : stream_(stream),
      is_terminal_(is_terminal),
      has_colour_(is_terminal && !is_set("NO_COLOR")),
      fixed_width_(width) {}

Terminal::~Terminal() { clear_status(); }

std::size_t Terminal::width() const {
  if (fixed_width_) return fixed_width_;
  winsize size{};
  if (ioctl(fileno(stream_), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string Terminal::paint(std::string_view text, Tone tone) const {
  static constexpr const char* kCodes[] = {"", "32", "33", "31", "2"};
  if (!has_colour_ || tone == Tone::plain) return std::string(text);
  return "\x1b[" + std::string(kCodes[static_cast<int>(tone)]) + "m" + std::string(text) + "\x1b[0m";
}

void Terminal::line(std::string_view text) {
  const std::lock_guard lock(mutex_);
  erase();
  put(text);
  put("\n");
  put(status_);
  std::fflush(stream_);
}

void Terminal::status(std::string_view text) {
  if (!is_terminal_) return;
  const std::lock_guard lock(mutex_);
  const std::size_t room = width();
  erase();
  // The last column stays free: some terminals wrap when it is written.
  status_ = first_columns(text, room > 0 ? room - 1 : 0);
  put(status_);
  std::fflush(stream_);
}

void Terminal::clear_status() {
  const std::lock_guard lock(mutex_);
  erase();
  status_.clear();
  std::fflush(stream_);
}

void Terminal::erase() {
  if (!status_.empty()) put("\r\x1b[2K");
}

void Terminal::put(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stream_); }

}  // namespace cairn

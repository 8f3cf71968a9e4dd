#include "report/text_log.h"

#include <ctime>
#include <string>

#include "cairn/error.h"

namespace cairn {

std::string utc_time() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

TextLog::TextLog(const std::filesystem::path& path, Terminal* terminal)
    : file_(path, std::ios::app), terminal_(terminal) {
  if (!file_)
    throw Error("the log cannot be opened for writing", path.string(), "check the folder and its permissions");
}

void TextLog::note(std::string_view text) { append("info", text); }

void TextLog::write(std::string_view level, std::string_view text, Terminal::Tone tone) {
  append(level, text);
  if (!terminal_) return;
  const bool is_marked = tone != Terminal::Tone::plain;
  terminal_->line((is_marked ? terminal_->paint(std::string(level) + ":", tone) + " " : "") + std::string(text));
}

void TextLog::append(std::string_view level, std::string_view text) {
  const std::lock_guard lock(mutex_);
  const std::string head = utc_time() + " " + std::string(level) + " ";
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    file_ << head << text.substr(begin, end - begin) << '\n';
    begin = end + 1;
  }
  file_.flush();
}

}  // namespace cairn

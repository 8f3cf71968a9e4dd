#pragma once

#include <filesystem>
#include <fstream>
#include <mutex>
#include <string_view>

#include "cairn/export.h"
#include "report/terminal.h"

namespace cairn {

/// log.txt: every line a person saw, with the time, appended over resumes. Thread-safe.
class CAIRN_API TextLog {
 public:
  /// `terminal` may be null: then only the file is written. Error if the file cannot be opened.
  TextLog(const std::filesystem::path& path, Terminal* terminal);

  void info(std::string_view text) { write("info", text, Terminal::Tone::plain); }
  void warn(std::string_view text) { write("warning", text, Terminal::Tone::warning); }
  void error(std::string_view text) { write("error", text, Terminal::Tone::bad); }
  /// To the file only.
  void note(std::string_view text);

 private:
  void write(std::string_view level, std::string_view text, Terminal::Tone tone);
  void append(std::string_view level, std::string_view text);

  std::ofstream file_;
  Terminal* terminal_;
  std::mutex mutex_;
};

/// The time now as "2026-01-31T12:00:00Z".
CAIRN_API std::string utc_time();

}  // namespace cairn

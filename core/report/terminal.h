#pragma once

#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>

#include "cairn/export.h"

namespace cairn {

/// Number of columns a UTF-8 text takes on a terminal, one a code point.
CAIRN_API std::size_t columns(std::string_view text);

/// The first `most` columns of a UTF-8 text.
CAIRN_API std::string_view first_columns(std::string_view text, std::size_t most);

/// The one way to write to a person: lines that stay, and below them one status line that changes in place. Knows
/// whether the stream is a terminal, how wide, and whether colour is welcome (NO_COLOR, TERM=dumb). Thread-safe.
class CAIRN_API Terminal {
 public:
  enum class Tone { plain, good, warning, bad, faint };

  /// For stderr or stdout.
  explicit Terminal(std::FILE* stream);
  /// With the facts given: for tests, and for --no-progress.
  Terminal(std::FILE* stream, bool is_terminal, std::size_t width);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  bool is_terminal() const { return is_terminal_; }
  bool has_colour() const { return has_colour_; }
  /// Columns now: a terminal may be resized.
  std::size_t width() const;

  /// `text` in the colour of `tone`, unchanged without colour.
  std::string paint(std::string_view text, Tone tone) const;
  /// Writes whole lines above the status line.
  void line(std::string_view text);
  /// Replaces the status line, cut to the width; does nothing where there is no terminal.
  void status(std::string_view text);
  /// Removes the status line.
  void clear_status();

 private:
  void erase();
  void put(std::string_view text);

  std::FILE* stream_;
  bool is_terminal_;
  bool has_colour_;
  std::size_t fixed_width_ = 0;
  std::string status_;
  std::mutex mutex_;
};

}  // namespace cairn

#include "config/report.h"

#include <algorithm>
#include <tuple>

namespace cairn {
namespace {

constexpr std::size_t kLongestLine = 240;

bool starts_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

/// The line as a terminal can show it: no control characters but tabs.
std::string printable(std::string line) {
  for (char& c : line)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) c = '?';
  return line;
}

/// Blanks as wide as the first `count` characters of `line`, tabs kept.
std::string padding(const std::string& line, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < line.size() && count > 0; ++i) {
    if (!starts_character(line[i])) continue;
    out += line[i] == '\t' ? '\t' : ' ';
    --count;
  }
  return out + std::string(count, ' ');
}

std::string snippet(const Problem& problem) {
  const auto& lines = problem.at.source->lines;
  const bool has_line = problem.at.width > 0 && problem.at.line >= 1 && problem.at.line <= lines.size();
  const std::string note = problem.advice.empty() ? "" : "\n  note: " + problem.advice;
  if (!has_line || lines[problem.at.line - 1].size() > kLongestLine) return note;
  const std::string line = printable(lines[problem.at.line - 1]);
  const std::string number = std::to_string(problem.at.line);
  const std::string gutter(std::max<std::size_t>(5, number.size()), ' ');
  const std::string caret = "^" + std::string(problem.at.width - 1, '~');
  return "\n" + gutter.substr(number.size()) + number + " | " + line + "\n" + gutter + " | " +
         padding(line, problem.at.column - 1) + caret + (problem.advice.empty() ? "" : " " + problem.advice);
}

}  // namespace

ExperimentError::~ExperimentError() = default;

std::string describe(const Problem& problem) {
  const SettingSource& source = *problem.at.source;
  std::string out = source.name + ":" + std::to_string(problem.at.line) + ":" + std::to_string(problem.at.column) +
                    ": error: " + problem.text + snippet(problem);
  if (!problem.note.empty()) out += "\n  note: " + problem.note;
  if (!source.included_from.empty())
    out += "\n  note: set in base " + source.name + ", included from " + source.included_from;
  return out;
}

void ProblemReport::raise() const {
  if (problems_.empty()) return;
  std::vector<const Problem*> sorted;
  for (const Problem& problem : problems_) sorted.push_back(&problem);
  const auto place = [](const Problem* p) { return std::tuple(p->at.source->order, p->at.line, p->at.column); };
  std::stable_sort(sorted.begin(), sorted.end(), [&](auto* a, auto* b) { return place(a) < place(b); });
  std::string text;
  for (const Problem* problem : sorted) text += (text.empty() ? "" : "\n") + describe(*problem);
  throw ExperimentError(text);
}

}  // namespace cairn

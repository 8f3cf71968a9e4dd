#include "cairn/csv.h"

#include <algorithm>

namespace cairn {

std::vector<std::string> csv_cells(std::string_view line) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  std::vector<std::string> cells(1);
  bool is_quoted = false;
  std::size_t kept = 0;  // characters of the cell that its end must not trim
  for (std::size_t i = 0; i <= line.size(); ++i) {
    std::string& cell = cells.back();
    const bool is_end = i == line.size();
    if (is_end || (line[i] == ',' && !is_quoted)) {
      while (cell.size() > kept && is_blank(cell.back())) cell.pop_back();
      kept = 0;
      if (!is_end) cells.emplace_back();
    } else if (line[i] == '"' && is_quoted && i + 1 < line.size() && line[i + 1] == '"') {
      cell += line[i++];
      kept = cell.size();
    } else if (line[i] == '"') {
      is_quoted = !is_quoted;
      kept = cell.size();
    } else if (is_quoted || !cell.empty() || !is_blank(line[i])) {
      cell += line[i];
    }
  }
  return cells;
}

}  // namespace cairn

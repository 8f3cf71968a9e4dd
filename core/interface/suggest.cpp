#include "interface/suggest.h"

#include <algorithm>
#include <vector>

#include "interface/lower_case.h"

namespace cairn {
namespace {

constexpr std::size_t kShortestStem = 4;  // letters that a word and a longer one must begin with

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  const std::string written = lower_case(std::string(word));
  std::size_t best = std::max<std::size_t>(1, word.size() / 3) + 1;
  std::string found;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(written, lower_case(candidate));
    if (distance < best) best = distance, found = candidate;
  }
  if (!found.empty()) return found;
  const auto is_stem = [&](const std::string& candidate) {
    const std::size_t shared = std::min(candidate.size(), written.size());
    return shared >= kShortestStem && written.compare(0, shared, candidate, 0, shared) == 0;
  };
  const auto stem = std::find_if(candidates.begin(), candidates.end(), is_stem);
  return stem == candidates.end() ? "" : *stem;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  const std::string found = nearest(word, candidates);
  return found.empty() ? "" : "did you mean '" + found + "'?";
}

}  // namespace cairn

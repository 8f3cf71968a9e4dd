#include "report/run_labels.h"

#include <algorithm>

namespace cairn {
namespace {

namespace fs = std::filesystem;

/// The last `length` names of a path.
std::string ending(const fs::path& path, std::ptrdiff_t length) {
  const fs::path names = path.relative_path();
  const std::ptrdiff_t all = std::distance(names.begin(), names.end());
  fs::path out;
  for (auto name = std::next(names.begin(), std::max<std::ptrdiff_t>(0, all - length)); name != names.end(); ++name)
    out /= *name;
  return out.generic_string();
}

fs::path without_slash(const fs::path& folder) {
  const fs::path clean = fs::absolute(folder).lexically_normal();
  return clean.has_filename() ? clean : clean.parent_path();
}

}  // namespace

std::vector<std::string> run_labels(std::span<const fs::path> folders) {
  std::vector<fs::path> paths;
  std::vector<std::string> labels;
  for (const fs::path& folder : folders) labels.push_back(ending(paths.emplace_back(without_slash(folder)), 1));
  std::vector<std::ptrdiff_t> lengths(paths.size(), 1);
  for (bool has_grown = true; has_grown;) {
    has_grown = false;
    const std::vector<std::string> before = labels;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (std::count(before.begin(), before.end(), before[i]) == 1) continue;
      labels[i] = ending(paths[i], ++lengths[i]);
      has_grown = has_grown || labels[i] != before[i];
    }
  }
  return labels;
}

}  // namespace cairn

#pragma once

#include <algorithm>
#include <filesystem>

#include "config/experiment.h"

namespace cairn::cli {

/// Whether `path` is `folder` or lies in it, however both are written.
inline bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder) {
  const auto clean = [](const auto& one) { return std::filesystem::weakly_canonical(std::filesystem::absolute(one)); };
  const std::filesystem::path inner = clean(path), outer = clean(folder);
  const auto [difference, rest] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return difference == outer.end();
}

/// Whether `path` lies in the checkpoints/ of a run.
inline bool lies_in_checkpoints(const std::filesystem::path& path) {
  std::filesystem::path folder = std::filesystem::weakly_canonical(std::filesystem::absolute(path)).parent_path();
  for (; folder.has_relative_path(); folder = folder.parent_path())
    if (folder.filename() == "checkpoints" && std::filesystem::exists(folder.parent_path() / kRunConfig)) return true;
  return false;
}

}  // namespace cairn::cli

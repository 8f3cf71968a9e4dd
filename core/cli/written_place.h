#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>

#include "cairn/error.h"
#include "config/experiment.h"

namespace cairn::cli {

/// Whether `path` is `folder` or lies in it, however both are written.
inline bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder) {
  const auto clean = [](const auto& one) { return std::filesystem::weakly_canonical(std::filesystem::absolute(one)); };
  const std::filesystem::path inner = clean(path), outer = clean(folder);
  const auto [difference, rest] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return difference == outer.end();
}

/// Makes the folder that `option` names; whether it is new. ConfigError where something else has its name, Error where
/// it cannot be made.
inline bool make_folder(const std::filesystem::path& folder, const std::string& option) {
  std::error_code failure;
  const bool is_new = std::filesystem::create_directories(folder, failure);
  if (!failure) return is_new;
  if (failure == std::errc::not_a_directory || failure == std::errc::file_exists)
    throw ConfigError(option, "'" + folder.string() + "' cannot be a folder: a file is in the way",
                      "name another folder");
  throw Error("the folder cannot be made: " + failure.message(), folder.string(), "name another one with " + option);
}

/// Whether `path` lies in the checkpoints/ of a run.
inline bool lies_in_checkpoints(const std::filesystem::path& path) {
  std::filesystem::path folder = std::filesystem::weakly_canonical(std::filesystem::absolute(path)).parent_path();
  for (; folder.has_relative_path(); folder = folder.parent_path())
    if (folder.filename() == "checkpoints" && std::filesystem::exists(folder.parent_path() / kRunConfig)) return true;
  return false;
}

}  // namespace cairn::cli

#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "checkpoint/run_lock.h"

namespace cairn {

/// The folder of a run, locked for this process.
class RunFolder {
 public:
  /// Opens `asked`, or, without it, a new folder below runs/ named after the experiment (with `resume`: the newest such
  /// folder). Error if the folder is in use, holds another run already, or, with `resume`, holds none; ConfigError if
  /// the name cannot be a folder's.
  RunFolder(const std::optional<std::filesystem::path>& asked, const std::string& name, bool resume);

  /// Removes the folder if this object made it: for a run that could not begin.
  void discard_if_new();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
  bool is_new_ = false;
  std::optional<RunLock> lock_;
};

}  // namespace cairn

#pragma once

#include <cstddef>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "interface/data_file.h"

namespace cairn {

/// Files of which those opened last stay open: on a network file system opening costs a round trip. Thread-safe.
class OpenFiles {
 public:
  explicit OpenFiles(std::vector<std::filesystem::path> paths) : paths_(std::move(paths)), files_(paths_.size()) {}

  const std::filesystem::path& path(std::size_t number) const { return paths_[number]; }
  /// DataError if it cannot be opened.
  std::shared_ptr<const DataFile> get(std::size_t number) const;

 private:
  std::vector<std::filesystem::path> paths_;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<const DataFile>> files_;
  mutable std::deque<std::size_t> open_;
};

}  // namespace cairn

#pragma once

#include <filesystem>

#include "cairn/export.h"

namespace cairn {

/// Keeps a run folder for this process alone, through flock on `run.lock` in it, which names process and host.
/// The kernel releases it when the process ends, also by `kill -9`.
class CAIRN_API RunLock {
 public:
  /// Takes the lock or throws Error "run folder X is in use by process N on HOST".
  explicit RunLock(const std::filesystem::path& folder);
  RunLock(RunLock&& other) noexcept;
  RunLock& operator=(RunLock&& other) noexcept;
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;
  ~RunLock();

 private:
  int descriptor_ = -1;
};

}  // namespace cairn

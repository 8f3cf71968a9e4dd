#pragma once

#include <filesystem>

#include "cairn/error.h"
#include "cairn/export.h"

namespace cairn {

/// A run folder that another process keeps.
class CAIRN_API RunInUseError : public Error {
 public:
  using Error::Error;
};

/// Keeps a run folder for this process alone, through flock on `run.lock` in it, which names process and host.
/// The kernel releases it when the process ends, also by `kill -9`.
class CAIRN_API RunLock {
 public:
  /// Takes the lock or throws RunInUseError "run folder X is in use by process N on HOST"; Error where it cannot lock.
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

#pragma once

#include <chrono>
#include <cmath>
#include <string>

#include "cairn/error.h"

namespace cairn::video {

/// What to do about a file that cannot be read.
inline constexpr const char* kBadFileAdvice = "replace or remove the file";

/// When a file has been worked on for too long: from then on it counts as unreadable.
class Deadline {
 public:
  explicit Deadline(double seconds)
      : end_(std::chrono::steady_clock::now() + std::chrono::microseconds(std::llround(seconds * 1e6))) {}

  bool has_passed() const { return std::chrono::steady_clock::now() >= end_; }
  /// DataError, naming the file, once it has passed.
  void check(const std::string& name) const {
    if (has_passed()) throw DataError("takes longer to read than modality.time_limit allows", name, kBadFileAdvice);
  }

 private:
  std::chrono::steady_clock::time_point end_;
};

}  // namespace cairn::video

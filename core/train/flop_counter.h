#pragma once

#include <cstdint>

#include "cairn/export.h"

namespace cairn {

/// Counts the floating-point operations of matrix products, convolutions and attention, forward and backward, that any
/// thread runs while it lives; a multiplication and an addition are two. Element-wise work is not counted. One at a
/// time.
class CAIRN_API FlopCounter {
 public:
  FlopCounter();
  ~FlopCounter();
  FlopCounter(const FlopCounter&) = delete;
  FlopCounter& operator=(const FlopCounter&) = delete;

  double total() const;

 private:
  std::uint64_t handle_;
};

}  // namespace cairn

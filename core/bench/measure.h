#pragma once

#include <c10/core/Device.h>

#include <span>

#include "cairn/export.h"

namespace cairn {

/// Seconds of the wall clock and of the processor (all threads of this process), counted from construction.
class CAIRN_API Stopwatch {
 public:
  Stopwatch();

  double wall_seconds() const;
  double processor_seconds() const;

 private:
  double wall_, processor_;
};

/// Waits until a device has done what it was told to.
CAIRN_API void synchronize(c10::Device device);

/// What several measurements of one thing say.
struct Spread {
  double median = 0.0;
  double lowest = 0.0;
  double highest = 0.0;
};

/// Error if there are no values.
CAIRN_API Spread spread_of(std::span<const double> values);

}  // namespace cairn

#pragma once

#include <algorithm>
#include <cstdint>

namespace cairn {

/// How far a run has come. `step` counts optimizer steps from 0; `total_steps` is the schedule's horizon.
struct Progress {
  std::int64_t step = 0;
  std::int64_t total_steps = 1;
  std::int64_t epoch = 0;

  /// Share of the horizon passed, in [0, 1].
  double fraction() const {
    return std::min(1.0, static_cast<double>(step) / static_cast<double>(std::max<std::int64_t>(1, total_steps)));
  }
};

}  // namespace cairn

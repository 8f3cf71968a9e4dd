#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>

#include "bench/measure.h"
#include "cairn/export.h"

namespace cairn {

/// What is measured: the parameters of a vision transformer, all of which a teacher follows.
struct OptimizerBenchOptions {
  std::int64_t width = 768;
  std::int64_t depth = 12;
  std::int64_t repeats = 15;
  std::int64_t stream_mb = 512;  // of memory, to see how fast it is
  std::string moments = "float32";
  at::Device device = at::kCPU;
};

/// One update by AdamW, the teacher's moving average and the zeroed gradient, beside what the memory can do.
struct OptimizerBench {
  std::int64_t parameters = 0;
  std::int64_t bytes_per_parameter = 0;  // read and written by one update
  Spread step_ms;
  Spread norm_ms;                       // of the gradient's norm, which clipping and the guards need
  double gb_per_second = 0.0;           // of the median update
  double in_place_gb_per_second = 0.0;  // of x *= 1, before and after
  double copy_gb_per_second = 0.0;      // of a copy, before and after
};

CAIRN_API OptimizerBench bench_optimizer(const OptimizerBenchOptions& options);

}  // namespace cairn

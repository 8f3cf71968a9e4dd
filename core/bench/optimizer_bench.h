#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>

#include "bench/measure.h"
#include "cairn/export.h"
#include "config/experiment.h"
#include "model/composition.h"

namespace cairn {

struct OptimizerBenchOptions {
  std::int64_t repeats = 15;
  std::int64_t stream_mb = 512;  // of memory, to see how fast it is
  at::Device device = at::kCPU;
};

/// A vision transformer whose parameters, all of which a teacher follows, are updated by AdamW.
struct BenchedTransformer {
  std::int64_t width = 768;
  std::int64_t depth = 12;
  std::string moments = "float32";
  std::string precision = "float32";  // bfloat16: copies in it are written as well
};

/// One update, the teacher's moving average and the zeroed gradient, beside what the memory can do.
struct OptimizerBench {
  std::int64_t parameters = 0;
  double bytes_per_parameter = 0.0;  // the fewest that one update reads and writes
  Spread step_ms;
  Spread norm_ms;                       // of the gradient's norm, which clipping and the guards need
  double gb_per_second = 0.0;           // of the median update
  double in_place_gb_per_second = 0.0;  // of x *= 1, before and after
  double copy_gb_per_second = 0.0;      // of a copy, before and after
};

CAIRN_API OptimizerBench bench_optimizer(const BenchedTransformer& transformer, const OptimizerBenchOptions& options);

/// The same of the networks of an experiment, by its optimizer.
CAIRN_API OptimizerBench bench_optimizer(const Experiment& experiment, const Composition& parts,
                                         const OptimizerBenchOptions& options);

}  // namespace cairn

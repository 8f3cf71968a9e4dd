#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>

#include "bench/measure.h"
#include "cairn/export.h"
#include "config/experiment.h"
#include "model/composition.h"

namespace cairn {

struct StepBenchOptions {
  std::int64_t steps = 10;
  std::int64_t warm_up = 3;
  at::Device device = at::kCPU;
  std::filesystem::path trace;  // where two further steps are recorded; empty: nowhere
};

/// What the training loop does on an experiment, without probes and logs between the steps.
struct CAIRN_API StepBench {
  Spread step_ms;                   // of the wall clock, without waiting for the loader
  Spread processor_ms;              // of all threads, the loader's too
  double wait_share = 0.0;          // of the wall time, spent waiting for the loader
  double first_step_seconds = 0.0;  // from an opened experiment to the first step's end
  double flops_per_step = 0.0;      // by the shapes of matrix products, convolutions and attention
  double peak_flops = 0.0;          // a second, of a large matrix product in the same precision on the same device
  std::int64_t samples_per_step = 0;
  std::int64_t peak_memory_bytes = 0;  // up to the last measured step: of the process, on a GPU of its allocator

  /// Share of the peak that the median step reaches.
  double utilisation() const;
};

/// Runs the training loop of an experiment in an empty folder.
CAIRN_API StepBench bench_step(const Experiment& experiment, Composition& parts, const StepBenchOptions& options);

}  // namespace cairn

#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "bench/measure.h"
#include "cairn/export.h"
#include "cairn/masker.h"
#include "config/experiment.h"
#include "data/training_part.h"

namespace cairn {

/// How long a loader is measured: segments of `batches` batches each, after a warm-up of as many.
struct LoaderBenchOptions {
  std::int64_t segments = 5;
  std::int64_t batches = 10;
  at::Device device = at::kCPU;
};

/// What a loader does by itself, from file to prepared batch and plan.
struct LoaderBench {
  Spread samples_per_second;  // over the segments
  Spread processor_ms;        // of all threads, for one sample
  std::int64_t samples = 0;   // measured
  std::int64_t data_size = 0;
  std::int64_t unreadable = 0;
  double resident_growth_mib = 0.0;  // from the end of the warm-up to the end
};

/// Runs the loader of an experiment as training would, without a network behind it. DataError as training would give.
CAIRN_API LoaderBench bench_loader(const Experiment& experiment, const TrainingPart& data, const Masker& masker,
                                   const LoaderBenchOptions& options);

/// Mean and standard deviation of every channel of the first view as prepared, over `batches` batches.
struct ChannelStatistics {
  std::vector<double> mean, std;
  std::int64_t samples = 0;
};
CAIRN_API ChannelStatistics measure_statistics(const Experiment& experiment, const TrainingPart& data,
                                               const Masker& masker, std::int64_t batches);

}  // namespace cairn

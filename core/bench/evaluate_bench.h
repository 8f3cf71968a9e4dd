#pragma once

#include <c10/core/Device.h>

#include <cstdint>

#include "bench/measure.h"
#include "cairn/export.h"
#include "evaluate/feature_file.h"

namespace cairn {

/// How probes are timed.
struct EvaluateBenchOptions {
  std::int64_t neighbours = 20;
  double c = 1.0;            // of the single logistic regression
  double tolerance = 1e-4;   // of its gradient, scikit-learn's default
  std::int64_t repeats = 3;  // of which the median counts
  bool chooses_c = false;    // time the whole linear probe too, with its grid of C
  at::Device device = at::kCPU;
};

/// What one probe takes and gives.
struct TimedProbe {
  Spread seconds;
  double accuracy = 0.0;
  double c = 0.0;
  std::int64_t iterations = 0;
};

struct EvaluateBench {
  TimedProbe knn;
  TimedProbe linear;      // one logistic regression from zero, with the iterates of scikit-learn's
  TimedProbe grid;        // the linear probe as `cairn probe` runs it; nothing where not asked for
  Spread health_seconds;  // feature std, effective rank, RankMe and alpha-ReQ of the test features
};

/// Times the probes on frozen features.
CAIRN_API EvaluateBench bench_evaluate(const FeatureSet& features, const EvaluateBenchOptions& options);

}  // namespace cairn

#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "cairn/export.h"
#include "evaluate/features.h"

namespace cairn {

/// Settings of the linear probe. `grid` runs from strong to weak regularisation, as scikit-learn's C does.
struct LinearProbeOptions {
  std::vector<double> grid = {1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0};
  std::uint64_t seed = 0;  // of the permutation whose last fifth chooses C
  std::int64_t max_iterations = 150;
  double gradient_tolerance = 1e-5;
};

/// A multinomial logistic regression: scores are x * weight + bias.
struct LogisticFit {
  at::Tensor weight;  // [D,C]
  at::Tensor bias;    // [C]
  double loss = 0.0;  // of the objective
  std::int64_t iterations = 0;
};

struct LinearProbeResult {
  double accuracy = 0.0;  // share of the test rows
  double c = 0.0;         // the chosen one
  at::Tensor guess;       // int64 [N] of the test rows
  at::Tensor confusion;   // int64 [classes,classes]: test rows by true class and guess
  std::int64_t train = 0;
  std::int64_t test = 0;
  std::int64_t iterations = 0;  // of all fits together
};

/// Minimises mean cross-entropy + ||weight||^2 / (2 c n) over x [N,D] and labels y [N] in 0 .. classes-1, by full-batch
/// L-BFGS with a strong Wolfe line search (Nocedal & Wright, algorithms 7.5, 3.5 and 3.6), from `start` or zero. The
/// initial Hessian is built from the second moments of the features: correlated features then cost few iterations.
CAIRN_API LogisticFit fit_logistic(const at::Tensor& x, const at::Tensor& y, std::int64_t classes, double c,
                                   const LinearProbeOptions& options, const LogisticFit* start = nullptr);

/// Logistic regression on features standardised by the training rows; C is chosen on the last fifth of a seeded
/// permutation of them (of equals the one of lower cross-entropy), then fitted again on all. Features whose deviation
/// is below 1e-6 count as constant. Labels lie in 0 .. classes-1. Error on empty or non-finite features, or fewer than
/// two classes.
CAIRN_API LinearProbeResult linear_probe(const Features& train, const Features& test, std::int64_t classes,
                                         const LinearProbeOptions& options = {});

}  // namespace cairn

#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "cairn/export.h"
#include "evaluate/features.h"
#include "evaluate/logistic.h"

namespace cairn {

/// Settings of the linear probe. `grid` runs from strong to weak regularisation, as scikit-learn's C does.
struct LinearProbeOptions {
  std::vector<double> grid = {1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0};
  std::uint64_t seed = 0;  // of the permutation whose last fifth chooses C
  LogisticOptions fit = {};
};

/// A linear head on standardised features.
class CAIRN_API LinearProbe {
 public:
  /// Logistic regression on features standardised by the training rows; C is chosen on the last fifth of a seeded
  /// permutation of them (of equals the one of lower cross-entropy), then fitted again on all. Features whose deviation
  /// is below 1e-6 count as constant. Labels are int64 [N] in 0 .. classes-1, or float [N,classes] of 0 and 1 for
  /// samples of several classes. Error on empty or non-finite features, or fewer than two classes.
  LinearProbe(const Features& train, std::int64_t classes, const LinearProbeOptions& options = {});

  /// Probabilities [M,classes] of the rows of `x` [M,D]. Error if they have another width.
  at::Tensor operator()(const at::Tensor& x) const;
  double c() const { return c_; }
  /// Of all fits together.
  std::int64_t iterations() const { return iterations_; }

 private:
  at::Tensor mean_, scale_;
  at::Tensor present_;  // int64: classes with a training row; undefined where samples have several classes
  std::int64_t classes_;
  LogisticFit fit_;
  double c_ = 0.0;
  std::int64_t iterations_ = 0;
};

/// With more classes a table of their confusion is not made: it grows with their square.
inline constexpr std::int64_t kMostConfused = 50;

struct LinearProbeResult {
  double accuracy = 0.0;  // share of the test rows
  double c = 0.0;         // the chosen one
  at::Tensor guess;       // int64 [N] of the test rows
  at::Tensor confusion;   // int64 [classes,classes]: test rows by true class and guess; undefined beyond kMostConfused
  std::int64_t train = 0;
  std::int64_t test = 0;
  std::int64_t iterations = 0;
};

/// Fits a LinearProbe to samples of one class each, and judges it on the test rows.
CAIRN_API LinearProbeResult linear_probe(const Features& train, const Features& test, std::int64_t classes,
                                         const LinearProbeOptions& options = {});

}  // namespace cairn

#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "cairn/export.h"
#include "evaluate/features.h"

namespace cairn {

/// Settings of the linear probe for numbers. `grid` holds penalties relative to the number of rows.
struct RidgeProbeOptions {
  std::vector<double> grid = {10.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-4};
  std::uint64_t seed = 0;  // of the permutation whose last fifth chooses the penalty
};

/// Ridge regression of numbers y [N,K] on standardised features: minimises mean ||y - x w||^2 + penalty ||w||^2, for
/// each column standardised. The penalty that explains most on the last fifth is taken, then all rows are fitted.
class CAIRN_API RidgeProbe {
 public:
  /// Error on empty or non-finite features or labels.
  RidgeProbe(const Features& train, const RidgeProbeOptions& options = {});

  /// Values [M,K] of rows [M,D].
  at::Tensor operator()(const at::Tensor& x) const;
  double penalty() const { return penalty_; }

 private:
  at::Tensor mean_, scale_;      // of features
  at::Tensor y_mean_, y_scale_;  // of values
  at::Tensor weight_;            // [D,K]
  double penalty_ = 0.0;
};

}  // namespace cairn

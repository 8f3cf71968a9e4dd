#pragma once

#include <ATen/core/Tensor.h>

#include "cairn/export.h"
#include "config/settings.h"
#include "model/flat_parameters.h"
#include "train/schedule.h"

namespace cairn {

/// AdamW (Loshchilov and Hutter 2019), SGD with momentum or LARS (You et al. 2017), and the teacher's moving average,
/// over flat memory. LARS scales each matrix's update by trust * |w| / |g + decay * w|; what does not decay it leaves
/// to SGD. The gradient is zeroed afterwards, ready for the next step; one that is not finite moves nothing. AdamW,
/// average, half() of both and zeroing are one pass.
class CAIRN_API Optimizer {
 public:
  /// `teacher` may be null. Both outlive the optimizer, and have half() both or neither when it steps.
  Optimizer(FlatParameters& student, FlatParameters* teacher, const OptimSettings& settings);

  /// The gradient's norm, a scalar on the device; parts that a rule freezes at this step are zeroed first.
  at::Tensor gradient_norm();
  /// One update at these rates, with the norm just taken, by which the gradient is clipped. Returns that norm.
  at::Tensor step(const StepRates& rates, const at::Tensor& gradient_norm);
  at::Tensor step(const StepRates& rates) { return step(rates, gradient_norm()); }

  const at::Tensor& first_moment() const { return first_; }
  const at::Tensor& second_moment() const { return second_; }
  /// Sets the number of updates done, when a run is resumed.
  void set_steps(std::int64_t steps) { done_ = steps; }

 private:
  void adamw(const SegmentGroup& group, double lr, double decay, const StepRates& rates, const at::Tensor& scale);
  void sgd(const SegmentGroup& group, double lr, double decay, const at::Tensor& is_finite);
  void scale_by_trust(const SegmentGroup& group, double lr);
  std::int64_t freeze_steps(const SegmentGroup& group) const;
  /// The teacher's moving average of [begin, end), as far as it has these values.
  void follow(std::int64_t begin, std::int64_t end, double momentum);

  FlatParameters& student_;
  FlatParameters* teacher_;
  OptimSettings settings_;
  at::Tensor first_, second_;  // laid out as the parameters, float32 or AdamW's bfloat16; only AdamW has a second
  std::int64_t done_ = 0;      // updates
};

}  // namespace cairn

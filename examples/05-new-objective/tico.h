#pragma once

#include "cairn/objective.h"
#include "cairn/options.h"

namespace cairn::tico {

struct TicoOptions {
  double memory = 0.9;
  double contrast = 8.0;
  static Schema<TicoOptions> schema();
};

/// TiCo (Zhu et al. 2022, algorithm 1): the two views of a sample shall agree, and answers shall stay away from the
/// directions in which the answers of past batches lie. Both directions are averaged where the masker asks both.
class Tico : public Objective {
 public:
  Tico(const TicoOptions& options, const ObjectiveSetting& setting);

  TargetSpec target() const override;
  LossReport evaluate(const StepView& step) override;
  /// Keeps the covariance for the next step.
  void settle(const StepView& step) override;

 private:
  at::Tensor covariance(const StepView& step) const;

  TicoOptions options_;
  at::Tensor covariance_;  // [D,D], the moving average C of the paper
};

}  // namespace cairn::tico

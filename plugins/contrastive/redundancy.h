#pragma once

#include "cairn/objective.h"
#include "cairn/options.h"

namespace cairn::contrastive {

struct BarlowTwinsOptions {
  double lambda = 0.0051;
  static Schema<BarlowTwinsOptions> schema();
};

/// Barlow Twins (Zbontar et al. 2021, eq. 1): the cross-correlation of two views, each standardised over the batch
/// (biased variance, epsilon 1e-5), should be the identity. More than two views: the mean over the pairs of views.
class BarlowTwins : public Objective {
 public:
  BarlowTwins(const BarlowTwinsOptions& options, const ObjectiveSetting&) : options_(options) {}

  TargetSpec target() const override;
  LossReport evaluate(const StepView& step) override;
  bool is_steady(const Progress&) const override { return true; }
  Reduction reduction() const override { return Reduction::gathered; }

 private:
  BarlowTwinsOptions options_;
};

struct VicregOptions {
  double invariance = 25.0;
  double variance = 25.0;
  double covariance = 1.0;
  double gamma = 1.0;
  double epsilon = 1e-4;
  static Schema<VicregOptions> schema();
};

/// VICReg (Bardes, Ponce and LeCun 2022, eq. 6) with the reductions of its code: the variance term is half per branch,
/// the covariance term added for both. More than two views: the mean over the pairs of views.
class Vicreg : public Objective {
 public:
  Vicreg(const VicregOptions& options, const ObjectiveSetting&) : options_(options) {}

  TargetSpec target() const override;
  LossReport evaluate(const StepView& step) override;
  bool is_steady(const Progress&) const override { return true; }
  Reduction reduction() const override { return Reduction::gathered; }

 private:
  VicregOptions options_;
};

}  // namespace cairn::contrastive

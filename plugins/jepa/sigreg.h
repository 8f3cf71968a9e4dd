#pragma once

#include <cstdint>

#include "cairn/objective.h"
#include "cairn/options.h"

namespace cairn::jepa {

struct SigregOptions {
  double lambda = 0.05;
  std::int64_t slices = 256;
  std::int64_t knots = 17;
  double t_max = 3.0;
  static Schema<SigregOptions> schema();
};

/// LeJEPA (Balestriero and LeCun 2025): views agree with their mean, and each view's features, along random
/// directions, are distributed as a standard normal (SIGReg, the Epps-Pulley statistic). No teacher, no stop-gradient.
class Sigreg : public Objective {
 public:
  Sigreg(const SigregOptions& options, const ObjectiveSetting& setting);

  TargetSpec target() const override;
  LossReport evaluate(const StepView& step) override;
  bool is_steady(const Progress&) const override { return true; }
  Reduction reduction() const override { return Reduction::gathered; }

 private:
  /// Unit columns [D,S]: the buffer's where it is filled, else drawn anew.
  at::Tensor directions(const at::Tensor& like) const;
  /// The statistic of features [B,D], the mean over the directions.
  at::Tensor statistic(const at::Tensor& z, const at::Tensor& directions) const;

  SigregOptions options_;
  at::Tensor directions_;  // empty: drawn at each step
};

struct VarianceCovarianceOptions {
  double variance = 25.0;
  double covariance = 1.0;
  double gamma = 1.0;
  double epsilon = 1e-4;
  bool tokens = false;
  static Schema<VarianceCovarianceOptions> schema();
};

/// VICReg's variance and covariance terms (Bardes, Ponce and LeCun 2022, eq. 1 to 4) on what the student makes of the
/// contexts, the mean over the contexts: keeps a JEPA from collapse, with or without a teacher. Goes beside any other
/// objective.
class VarianceCovariance : public Objective {
 public:
  VarianceCovariance(const VarianceCovarianceOptions& options, const ObjectiveSetting&) : options_(options) {}

  TargetSpec target() const override;
  LossReport evaluate(const StepView& step) override;
  bool is_steady(const Progress&) const override { return true; }
  Reduction reduction() const override { return Reduction::gathered; }

 private:
  VarianceCovarianceOptions options_;
};

}  // namespace cairn::jepa

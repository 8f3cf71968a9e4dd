#pragma once

#include <cstdint>

#include "cairn/objective.h"
#include "cairn/options.h"

namespace cairn::generative {

/// What a difference between a predicted and a true value costs.
enum class Loss : std::uint8_t { l2, l1, smooth_l1 };

/// Over which values of a patch the target is standardised.
enum class PatchNorm : std::uint8_t { none, patch, patch_channel };

struct PixelRegressionOptions {
  PatchNorm patch_norm = PatchNorm::patch;
  Loss loss = Loss::l2;
  double beta = 1.0;
  static Schema<PixelRegressionOptions> schema();
};

/// Regression of the input values of the asked patches: MAE (He et al. 2022; squared difference, each patch
/// standardised), VideoMAE (Tong et al. 2022; each channel of a tube on its own), AudioMAE (Huang et al. 2022), SimMIM
/// (Xie et al. 2022; L1 on values as they are). Each query counts alike, whatever its number of tokens.
class PixelRegression : public Objective {
 public:
  /// ConfigError if a patch has too few values to be standardised.
  PixelRegression(const PixelRegressionOptions& options, const ObjectiveSetting& setting);

  TargetSpec target() const override;
  /// Patches [B,N,P], channel fastest, to standardised float [B,N,P]. With variances unbiased, `patch` is
  /// (x - mean) / sqrt(variance + 1e-6), `patch_channel` (x - mean) / (sqrt(variance) + 1e-6).
  at::Tensor refine(const at::Tensor& target) override;
  at::Tensor restore(const at::Tensor& prediction, const at::Tensor& target) const override;
  /// Error if there are no pairs, or a prediction has not its target's shape.
  LossReport evaluate(const StepView& step) override;
  bool is_steady(const Progress&) const override { return true; }

 private:
  /// Mean and divisor of each patch, [B,N,1,1] or [B,N,1,C], to go with [B,N,P/C,C].
  struct Moments {
    at::Tensor mean, scale;
  };

  at::Tensor by_channel(const at::Tensor& patches) const;
  Moments moments(const at::Tensor& values) const;
  at::Tensor cost(const at::Tensor& prediction, const at::Tensor& target) const;

  PixelRegressionOptions options_;
  std::int64_t channels_;
};

}  // namespace cairn::generative

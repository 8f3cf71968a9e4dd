#pragma once

#include <cstdint>
#include <memory>

#include "cairn/nn/head.h"
#include "cairn/options.h"
#include "cairn/predictor.h"

namespace cairn::transformer {

struct MlpOptions : nn::HeadOptions {
  static Schema<MlpOptions> schema();
};

struct ProjectorOptions : nn::HeadOptions {
  std::int64_t width = 256;
  static Schema<ProjectorOptions> schema();
};

/// MLP head on the pooled feature, as SimCLR, MoCo v3, BYOL, Barlow Twins and VICReg have, by its options.
class MlpProjector : public Projector {
 public:
  MlpProjector(const ProjectorOptions& options, const ProjectorSetting& setting);

  at::Tensor project(const at::Tensor& pooled) override;
  std::int64_t width() const override { return width_; }

 private:
  std::int64_t width_;
  std::shared_ptr<nn::MlpHead> head_;
};

/// MLP from the pooled feature of one view to that of another, as BYOL and SimSiam have, or from each asked token as
/// the encoder sees it, masked or not, to its target: with one layer SimMIM's head.
class MlpPredictor : public Predictor {
 public:
  MlpPredictor(const MlpOptions& options, const PredictorSetting& setting);

  /// [B,O], or [B,Q,O] for tokens; Error for tokens that are not there to map.
  at::Tensor predict(const Question& question) override;
  void check(const Context& seen, const Query& asked) const override;

 private:
  std::shared_ptr<nn::MlpHead> head_;
};

}  // namespace cairn::transformer

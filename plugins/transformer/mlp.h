#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "cairn/options.h"
#include "cairn/predictor.h"

namespace cairn::transformer {

enum class Activation : std::uint8_t { relu, gelu };

/// What follows a linear map: `plain` is batch norm without scale and shift.
enum class HeadNorm : std::uint8_t { none, batch, plain, layer };

struct MlpOptions {
  std::int64_t hidden = 2048;
  std::int64_t layers = 2;
  HeadNorm norm = HeadNorm::batch;
  HeadNorm last_norm = HeadNorm::none;
  bool last_bias = true;
  Activation activation = Activation::relu;
  static Schema<MlpOptions> schema();
};

struct ProjectorOptions : MlpOptions {
  std::int64_t width = 256;
  static Schema<ProjectorOptions> schema();
};

/// Linear maps with norm and activation between them. A map that a batch norm follows has no bias: the norm would
/// take it away again.
class MlpHead : public torch::nn::Module {
 public:
  MlpHead(const MlpOptions& options, std::int64_t input_width, std::int64_t output_width);

  /// [...,input] to [...,output].
  at::Tensor forward(at::Tensor x);

 private:
  void add(std::int64_t in, std::int64_t out, HeadNorm norm, bool bias);

  std::vector<torch::nn::Linear> linears_;
  std::vector<std::function<at::Tensor(const at::Tensor&)>> norms_;  // empty: none
  Activation activation_;
};

/// MLP head on the pooled feature, as SimCLR, MoCo v3, BYOL, Barlow Twins and VICReg have, by its options.
class MlpProjector : public Projector {
 public:
  MlpProjector(const ProjectorOptions& options, const ProjectorSetting& setting);

  at::Tensor project(const at::Tensor& pooled) override;
  std::int64_t width() const override { return width_; }

 private:
  std::int64_t width_;
  std::shared_ptr<MlpHead> head_;
};

/// MLP from the pooled feature of one view to that of another, as BYOL and SimSiam have, or from each asked token as
/// the encoder sees it, masked or not, to its target: with one layer SimMIM's head.
class MlpPredictor : public Predictor {
 public:
  MlpPredictor(const MlpOptions& options, const PredictorSetting& setting);

  /// [B,O], or [B,Q,O] for tokens; Error for tokens that are not there to map.
  at::Tensor predict(const Question& question) override;

 private:
  std::shared_ptr<MlpHead> head_;
};

}  // namespace cairn::transformer

#include "mlp.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/normalization.h>

#include <string>

#include "cairn/error.h"
#include "cairn/nn/tokens.h"

namespace cairn::transformer {

namespace {

/// The options that projector and predictor share.
template <class O>
void describe(Schema<O>& s) {
  const Choices<HeadNorm> norms = {
      {"none", HeadNorm::none}, {"batch", HeadNorm::batch}, {"plain", HeadNorm::plain}, {"layer", HeadNorm::layer}};
  s.option("hidden", static_cast<std::int64_t O::*>(&O::hidden), "width between the linear maps").range(1, 1 << 16);
  s.option("layers", static_cast<std::int64_t O::*>(&O::layers), "number of linear maps").range(1, 16);
  s.option("norm", static_cast<HeadNorm O::*>(&O::norm), norms,
           "after every linear map but the last; plain: batch norm without scale and shift");
  s.option("last_norm", static_cast<HeadNorm O::*>(&O::last_norm), norms, "after the last linear map");
  s.option("last_bias", static_cast<bool O::*>(&O::last_bias), "a bias in the last linear map");
  s.option("activation", static_cast<Activation O::*>(&O::activation),
           {{"relu", Activation::relu}, {"gelu", Activation::gelu}}, "between the linear maps");
}

bool is_batch_norm(HeadNorm norm) { return norm == HeadNorm::batch || norm == HeadNorm::plain; }

}  // namespace

Schema<MlpOptions> MlpOptions::schema() {
  Schema<MlpOptions> s(
      "MLP on what the encoder makes of a view (BYOL, SimSiam) or of each masked token (SimMIM: one layer)");
  describe(s);
  return s;
}

Schema<ProjectorOptions> ProjectorOptions::schema() {
  Schema<ProjectorOptions> s("MLP head on the pooled feature, the projector of contrastive methods");
  s.option("width", &ProjectorOptions::width, "output width").range(1, 1 << 17);
  describe(s);
  return s;
}

MlpHead::MlpHead(const MlpOptions& options, std::int64_t input_width, std::int64_t output_width)
    : activation_(options.activation) {
  std::int64_t width = input_width;
  for (std::int64_t i = 1; i < options.layers; ++i) {
    add(width, options.hidden, options.norm, true);
    width = options.hidden;
  }
  add(width, output_width, options.last_norm, options.last_bias);
}

void MlpHead::add(std::int64_t in, std::int64_t out, HeadNorm norm, bool bias) {
  const std::string number = std::to_string(linears_.size());
  const auto linear = torch::nn::LinearOptions(in, out).bias(bias && !is_batch_norm(norm));
  linears_.emplace_back(register_module("linear" + number, torch::nn::Linear(linear)));
  norms_.emplace_back();
  if (norm == HeadNorm::none) return;
  if (is_batch_norm(norm)) {
    const auto options = torch::nn::BatchNormOptions(out).affine(norm == HeadNorm::batch);
    norms_.back() = [layer = register_module("norm" + number, torch::nn::BatchNorm1d(options))](const at::Tensor& x) {
      return layer->forward(x);
    };
    return;
  }
  const auto options = torch::nn::LayerNormOptions({out});
  norms_.back() = [layer = register_module("norm" + number, torch::nn::LayerNorm(options))](const at::Tensor& x) {
    return layer->forward(x);
  };
}

at::Tensor MlpHead::forward(at::Tensor x) {
  for (std::size_t i = 0; i < linears_.size(); ++i) {
    x = linears_[i](x);
    if (norms_[i]) x = norms_[i](x);
    if (i + 1 < linears_.size()) x = activation_ == Activation::relu ? at::relu(x) : at::gelu(x);
  }
  return x;
}

MlpProjector::MlpProjector(const ProjectorOptions& options, const ProjectorSetting& setting)
    : width_(options.width),
      head_(register_module("head", std::make_shared<MlpHead>(options, setting.input_width, options.width))) {}

at::Tensor MlpProjector::project(const at::Tensor& pooled) { return head_->forward(pooled); }

MlpPredictor::MlpPredictor(const MlpOptions& options, const PredictorSetting& setting)
    : head_(register_module("head", std::make_shared<MlpHead>(options, setting.input_width, setting.output_width))) {}

at::Tensor MlpPredictor::predict(const Question& question) {
  if (question.level == Level::pooled) return head_->forward(question.seen.pooled);
  if (!question.seen_at.all() || !(question.seen_grid == question.asked_grid))
    throw Error("a question about tokens that did not enter the encoder", "predictor transformer.mlp",
                "use a masker that masks instead of dropping (hide = \"mask\"), or the predictor transformer.narrow");
  const at::Tensor asked = nn::gather_tokens(question.seen.tokens, question.asked_at);
  return head_->forward(asked.flatten(0, 1)).unflatten(0, {asked.size(0), asked.size(1)});
}

}  // namespace cairn::transformer

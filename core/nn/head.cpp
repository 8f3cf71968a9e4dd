#include "cairn/nn/head.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/normalization.h>

#include <string>

namespace cairn::nn {

namespace {

bool is_batch_norm(HeadNorm norm) { return norm == HeadNorm::batch || norm == HeadNorm::plain; }

}  // namespace

MlpHead::MlpHead(const HeadOptions& options, std::int64_t input_width, std::int64_t output_width)
    : activation_(options.activation) {
  std::int64_t width = input_width;
  for (std::int64_t i = 1; i < options.layers; ++i) {
    add(width, options.hidden, options.norm, true);
    width = options.hidden;
  }
  add(width, output_width, options.last_norm, options.last_bias);
}

MlpHead::~MlpHead() = default;

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
    if (i + 1 < linears_.size()) x = activate(x, activation_);
  }
  return x;
}

}  // namespace cairn::nn

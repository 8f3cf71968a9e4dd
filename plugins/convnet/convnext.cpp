#include "convnext.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "cairn/error.h"
#include "cairn/nn/initialise.h"

namespace cairn::convnet {

namespace {

constexpr double kNormEpsilon = 1e-6;
constexpr std::int64_t kStageStride = 2;

torch::nn::LayerNorm layer_norm(std::int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(kNormEpsilon));
}

/// Norms the channels of a map [B,D,h,w].
at::Tensor norm_channels(torch::nn::LayerNorm& norm, const at::Tensor& map) {
  return norm(map.permute({0, 2, 3, 1})).permute({0, 3, 1, 2});
}

torch::nn::Conv2d convolution(const torch::nn::Conv2dOptions& options) {
  torch::nn::Conv2d made(options);
  nn::fill_normal(made->weight);
  const at::NoGradGuard no_grad;
  made->bias.zero_();
  return made;
}

torch::nn::Conv2d shrinking(std::int64_t in, std::int64_t out, std::int64_t stride) {
  return convolution(torch::nn::Conv2dOptions(in, out, stride).stride(stride));
}

void require_size(const EncoderSetting& setting, std::int64_t stride) {
  for (const ViewLayout& view : setting.views)
    for (std::size_t a = 0; a < view.grid.extent.size(); ++a)
      if (const std::int64_t size = view.grid.extent[a] * setting.tokenizer.patch[a]; size < stride)
        throw ConfigError(
            "stem_stride",
            "a view of " + std::to_string(size) + " pixels meets an encoder of stride " + std::to_string(stride),
            "lower stem_stride, or enlarge the views");
}

}  // namespace

Schema<ConvnextOptions> ConvnextOptions::schema() {
  using O = ConvnextOptions;
  Schema<O> s("ConvNeXt over pictures and spectrograms, with the weights' names of torchvision; by default tiny");
  s.option("width", &O::width, "channels of the first stage; each further stage has twice as many").range(1, 1024);
  s.option("blocks", &O::blocks, "number of blocks of each stage").range(1, 64);
  s.option("stem_stride", &O::stem_stride,
           "side of the squares the first convolution cuts; the whole stride is 8 times")
      .range(1, 64);
  s.option("layer_scale", &O::layer_scale, "start of the learned scale on each branch").range(0, 10);
  s.option("drop_path", &O::drop_path, "probability of skipping a branch, rising from 0 to this over the blocks")
      .range(0, 0.99);
  return s;
}

ConvnextBlock::ConvnextBlock(std::int64_t width, double layer_scale, double drop_path) : drop_path_(drop_path) {
  // The numbers are the places in torchvision's sequence, which permutes and activates in between.
  const auto block = register_module("block", std::make_shared<torch::nn::Module>());
  depthwise_ =
      block->register_module("0", convolution(torch::nn::Conv2dOptions(width, width, 7).padding(3).groups(width)));
  norm_ = block->register_module("2", layer_norm(width));
  fc1_ = block->register_module("3", torch::nn::Linear(width, 4 * width));
  fc2_ = block->register_module("5", torch::nn::Linear(4 * width, width));
  scale_ = register_parameter("layer_scale", at::full({width, 1, 1}, layer_scale));
}

at::Tensor ConvnextBlock::forward(const at::Tensor& x) {
  const at::Tensor normed = norm_(depthwise_(x).permute({0, 2, 3, 1}));
  at::Tensor branch = scale_ * fc2_(at::gelu(fc1_(normed))).permute({0, 3, 1, 2});
  if (drop_path_ > 0.0 && is_training()) {
    const double keep = 1.0 - drop_path_;
    branch = branch * at::empty({x.size(0), 1, 1, 1}, x.options()).bernoulli_(keep).div_(keep);
  }
  return x + branch;
}

Convnext::Convnext(const ConvnextOptions& options, const EncoderSetting& setting) : ConvNet(setting) {
  require_size(setting, options.stem_stride * kStageStride * kStageStride * kStageStride);
  const std::int64_t total = std::accumulate(options.blocks.begin(), options.blocks.end(), std::int64_t{0});
  const auto features = register_module("features", std::make_shared<torch::nn::Module>());
  std::int64_t before = setting.tokenizer.channels, done = 0;
  for (std::size_t s = 0; s < options.blocks.size(); ++s) {
    Stage stage;
    width_ = options.width << s;
    const auto entry = features->register_module(std::to_string(2 * s), std::make_shared<torch::nn::Module>());
    stage.shrink = entry->register_module(s == 0 ? "0" : "1",
                                          shrinking(before, width_, s == 0 ? options.stem_stride : kStageStride));
    stage.norm = entry->register_module(s == 0 ? "1" : "0", layer_norm(s == 0 ? width_ : before));
    const auto blocks = features->register_module(std::to_string(2 * s + 1), std::make_shared<torch::nn::Module>());
    for (std::int64_t b = 0; b < options.blocks[s]; ++b, ++done) {
      const double depth_share = total > 1 ? static_cast<double>(done) / static_cast<double>(total - 1) : 0.0;
      const auto block = std::make_shared<ConvnextBlock>(width_, options.layer_scale, options.drop_path * depth_share);
      stage.blocks.push_back(blocks->register_module(std::to_string(b), block));
    }
    stages_.push_back(std::move(stage));
    before = width_;
  }
  const auto classifier = register_module("classifier", std::make_shared<torch::nn::Module>());
  norm_ = classifier->register_module("0", layer_norm(width_));
  nn::initialise(*this, nn::Init::jepa);
}

at::Tensor Convnext::feature_map(const at::Tensor& data, std::span<const std::int64_t> taps,
                                 std::vector<at::Tensor>& tapped) {
  at::Tensor x = data;
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    Stage& stage = stages_[s];
    x = s == 0 ? norm_channels(stage.norm, stage.shrink(x)) : stage.shrink(norm_channels(stage.norm, x));
    for (std::size_t b = 0; b < stage.blocks.size(); ++b) {
      x = stage.blocks[b]->forward(x);
      const bool is_last_stage = s + 1 == stages_.size();
      if (is_last_stage && std::find(taps.begin(), taps.end(), static_cast<std::int64_t>(b)) != taps.end())
        tapped.push_back(x);
    }
  }
  return x;
}

at::Tensor Convnext::finish(const at::Tensor& features) { return norm_(features); }

}  // namespace cairn::convnet

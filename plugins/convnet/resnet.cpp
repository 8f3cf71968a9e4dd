#include "resnet.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace cairn::convnet {

namespace {

struct Preset {
  const char* name;
  std::array<std::int64_t, 4> blocks;  // of each stage
  bool bottleneck;
};

constexpr std::array<Preset, 4> kPresets = {{
    {"resnet18", {2, 2, 2, 2}, false},
    {"resnet34", {3, 4, 6, 3}, false},
    {"resnet50", {3, 4, 6, 3}, true},
    {"resnet101", {3, 4, 23, 3}, true},
}};

constexpr std::int64_t kExpansion = 4;  // output of a bottleneck over its width

torch::nn::Conv2d convolution(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride) {
  torch::nn::Conv2d made(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
  // He et al. 2015, for what goes out and a ReLU behind.
  const at::NoGradGuard no_grad;
  made->weight.normal_(0.0, std::sqrt(2.0 / static_cast<double>(out * kernel * kernel)));
  return made;
}

}  // namespace

Schema<ResnetOptions> ResnetOptions::schema() {
  using O = ResnetOptions;
  Schema<O> s("ResNet over pictures and spectrograms, with the weights' names of torchvision");
  s.option("preset", &O::preset, "which ResNet").choices({"resnet18", "resnet34", "resnet50", "resnet101"});
  s.option("stem", &O::stem, {{"imagenet", Stem::imagenet}, {"cifar", Stem::cifar}},
           "7 x 7 convolution and pooling (stride 32 in all), or one 3 x 3 convolution for small pictures (stride 8)");
  s.option("width", &O::width, "channels of the first stage; each further stage has twice as many").range(1, 1024);
  s.option("zero_init_residual", &O::zero_init_residual, "blocks start as the identity");
  return s;
}

Residual::Residual(std::int64_t in, std::int64_t width, std::int64_t stride, bool bottleneck) {
  const std::int64_t out = bottleneck ? kExpansion * width : width;
  if (bottleneck) {
    add(in, width, 1, 1);
    add(width, width, 3, stride);
    add(width, out, 1, 1);
  } else {
    add(in, width, 3, stride);
    add(width, out, 3, 1);
  }
  if (stride == 1 && in == out) return;
  const auto downsample = register_module("downsample", std::make_shared<torch::nn::Module>());
  shortcut_ = downsample->register_module("0", convolution(in, out, 1, stride));
  shortcut_norm_ = downsample->register_module("1", torch::nn::BatchNorm2d(out));
}

void Residual::add(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride) {
  const std::string number = std::to_string(convolutions_.size() + 1);
  convolutions_.emplace_back(register_module("conv" + number, convolution(in, out, kernel, stride)));
  norms_.emplace_back(register_module("bn" + number, torch::nn::BatchNorm2d(out)));
}

at::Tensor Residual::forward(const at::Tensor& x) {
  at::Tensor y = x;
  for (std::size_t i = 0; i < convolutions_.size(); ++i) {
    y = norms_[i](convolutions_[i](y));
    if (i + 1 < convolutions_.size()) y = y.relu_();
  }
  return (y + (shortcut_ ? shortcut_norm_(shortcut_(x)) : x)).relu_();
}

void Residual::start_as_identity() {
  const at::NoGradGuard no_grad;
  norms_.back()->weight.zero_();
}

Resnet::Resnet(const ResnetOptions& options, const EncoderSetting& setting)
    : ConvNet(setting), pools_(options.stem == Stem::imagenet) {
  const Preset& preset =
      *std::find_if(kPresets.begin(), kPresets.end(), [&](const Preset& p) { return options.preset == p.name; });
  const std::int64_t kernel = pools_ ? 7 : 3, stem_stride = pools_ ? 2 : 1;
  stem_ = register_module("conv1", convolution(setting.tokenizer.channels, options.width, kernel, stem_stride));
  stem_norm_ = register_module("bn1", torch::nn::BatchNorm2d(options.width));
  width_ = options.width;
  for (std::size_t s = 0; s < preset.blocks.size(); ++s) {
    const auto stage = register_module("layer" + std::to_string(s + 1), std::make_shared<torch::nn::Module>());
    const std::int64_t inner = options.width << s;
    stages_.emplace_back();
    for (std::int64_t b = 0; b < preset.blocks[s]; ++b) {
      const std::int64_t stride = s > 0 && b == 0 ? 2 : 1;
      const auto block = std::make_shared<Residual>(width_, inner, stride, preset.bottleneck);
      stages_.back().push_back(stage->register_module(std::to_string(b), block));
      if (options.zero_init_residual) block->start_as_identity();
      width_ = preset.bottleneck ? kExpansion * inner : inner;
    }
  }
}

at::Tensor Resnet::feature_map(const at::Tensor& data, std::span<const std::int64_t> taps,
                               std::vector<at::Tensor>& tapped) {
  at::Tensor x = stem_norm_(stem_(data)).relu_();
  if (pools_) x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
  for (std::size_t s = 0; s < stages_.size(); ++s)
    for (std::size_t b = 0; b < stages_[s].size(); ++b) {
      x = stages_[s][b]->forward(x);
      const bool is_last_stage = s + 1 == stages_.size();
      if (is_last_stage && std::find(taps.begin(), taps.end(), static_cast<std::int64_t>(b)) != taps.end())
        tapped.push_back(x);
    }
  return x;
}

}  // namespace cairn::convnet

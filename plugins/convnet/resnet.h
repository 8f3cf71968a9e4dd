#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cairn/options.h"
#include "convnet.h"

namespace cairn::convnet {

/// How pictures enter: a 7 x 7 convolution and a pooling, both of stride 2, or a 3 x 3 convolution of stride 1 for
/// pictures of a few dozen pixels.
enum class Stem : std::uint8_t { imagenet, cifar };

struct ResnetOptions {
  std::string preset = "resnet18";
  Stem stem = Stem::imagenet;
  std::int64_t width = 64;
  bool zero_init_residual = false;
  static Schema<ResnetOptions> schema();
};

/// Residual block of two or, as a bottleneck, three convolutions (the stride in the 3 x 3 one, as torchvision has it).
class Residual : public torch::nn::Module {
 public:
  Residual(std::int64_t in, std::int64_t width, std::int64_t stride, bool bottleneck);

  at::Tensor forward(const at::Tensor& x);
  /// Makes the block the identity at the start (Goyal et al. 2017).
  void start_as_identity();

 private:
  void add(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride);

  std::vector<torch::nn::Conv2d> convolutions_;
  std::vector<torch::nn::BatchNorm2d> norms_;
  torch::nn::Conv2d shortcut_{nullptr};
  torch::nn::BatchNorm2d shortcut_norm_{nullptr};
};

/// ResNet (He et al. 2016), parameters and buffers named as torchvision's without `fc`.
class Resnet : public ConvNet {
 public:
  Resnet(const ResnetOptions& options, const EncoderSetting& setting);

  std::int64_t width() const override { return width_; }
  /// Blocks of the last stage.
  std::int64_t depth() const override { return static_cast<std::int64_t>(stages_.back().size()); }

 protected:
  at::Tensor feature_map(const at::Tensor& data, std::span<const std::int64_t> taps,
                         std::vector<at::Tensor>& tapped) override;

 private:
  std::int64_t width_ = 0;
  bool pools_;
  torch::nn::Conv2d stem_{nullptr};
  torch::nn::BatchNorm2d stem_norm_{nullptr};
  std::vector<std::vector<std::shared_ptr<Residual>>> stages_;
};

}  // namespace cairn::convnet

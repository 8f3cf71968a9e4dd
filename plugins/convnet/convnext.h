#pragma once

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "cairn/options.h"
#include "convnet.h"

namespace cairn::convnet {

struct ConvnextOptions {
  std::int64_t width = 96;
  std::array<std::int64_t, 4> blocks = {3, 3, 9, 3};
  std::int64_t stem_stride = 4;
  double layer_scale = 1e-6;
  double drop_path = 0.0;
  static Schema<ConvnextOptions> schema();
};

/// Depthwise 7 x 7 convolution, layer norm, and an MLP of four times the width, in a residual branch with a learned
/// scale.
class ConvnextBlock : public torch::nn::Module {
 public:
  ConvnextBlock(std::int64_t width, double layer_scale, double drop_path);

  at::Tensor forward(const at::Tensor& x);

 private:
  torch::nn::Conv2d depthwise_{nullptr};
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::Linear fc1_{nullptr}, fc2_{nullptr};
  at::Tensor scale_;  // [D,1,1]
  double drop_path_;
};

/// ConvNeXt (Liu et al. 2022); its defaults are ConvNeXt-tiny. Parameters are named as torchvision's without the last
/// linear map: `classifier.0` is the layer norm of the features.
class Convnext : public ConvNet {
 public:
  /// ConfigError if a view is smaller than the stride of the network.
  Convnext(const ConvnextOptions& options, const EncoderSetting& setting);

  std::int64_t width() const override { return width_; }
  /// Blocks of the last stage.
  std::int64_t depth() const override { return static_cast<std::int64_t>(stages_.back().blocks.size()); }

 protected:
  at::Tensor feature_map(const at::Tensor& data, std::span<const std::int64_t> taps,
                         std::vector<at::Tensor>& tapped) override;
  at::Tensor finish(const at::Tensor& features) override;

 private:
  /// A convolution that shrinks the map, normed after it (stem) or before it, and the blocks behind.
  struct Stage {
    torch::nn::Conv2d shrink{nullptr};
    torch::nn::LayerNorm norm{nullptr};
    std::vector<std::shared_ptr<ConvnextBlock>> blocks;
  };

  std::int64_t width_ = 0;
  std::vector<Stage> stages_;
  torch::nn::LayerNorm norm_{nullptr};
};

}  // namespace cairn::convnet

#pragma once

#include <torch/nn/modules/normalization.h>

#include <cstdint>
#include <memory>
#include <string>

#include "cairn/encoder.h"
#include "cairn/nn/block.h"
#include "cairn/nn/initialise.h"
#include "cairn/nn/positions.h"
#include "cairn/nn/tokens.h"
#include "cairn/options.h"
#include "places.h"

namespace cairn::transformer {

/// What stands for the view as a whole.
enum class Pool : std::uint8_t { mean, cls };

struct VitOptions {
  std::string preset = "tiny";
  std::int64_t width = 0;
  std::int64_t depth = 0;
  std::int64_t heads = 0;
  double mlp_ratio = 0.0;
  Positions positions = Positions::sincos;
  nn::PositionOrder position_order = nn::PositionOrder::xy;
  bool uniform_power = true;
  nn::RotaryLayout rotary_layout = nn::RotaryLayout::paired;
  std::int64_t rotary_grid = 0;
  Numbering rotary_numbering = Numbering::view;
  bool resize_antialias = false;
  double resize_offset = 0.0;
  bool class_token = false;
  std::int64_t register_tokens = 0;
  bool mask_token = false;
  Pool pool = Pool::mean;
  double drop_path = 0.0;
  double self_mask = 0.0;
  double layer_scale = 0.0;
  bool qkv_bias = true;
  bool key_bias = true;
  bool gated = false;
  bool last_norm = true;
  double norm_epsilon = 1e-6;
  nn::Init init = nn::Init::jepa;
  bool depth_rescale = false;
  static Schema<VitOptions> schema();
};

/// Width, depth, heads and MLP width of an encoder.
struct VitShape {
  std::int64_t width = 0;
  std::int64_t depth = 0;
  std::int64_t heads = 0;
  std::int64_t hidden = 0;
};

/// The shape that the options name; ConfigError if they leave it open.
VitShape vit_shape(const VitOptions& options);

/// Heads of the preset of this width; 0 where there is none.
std::int64_t preset_heads(std::int64_t width);

/// Vision transformer (Dosovitskiy et al. 2021) over grids of any number of axes.
class Vit : public Encoder {
 public:
  Vit(const VitOptions& options, const EncoderSetting& setting);

  /// Only visible tokens are processed. ConfigError if tokens are masked and there is no mask token.
  Encoded encode(const View& view, const Look& look) override;
  std::int64_t width() const override { return shape_.width; }
  std::int64_t depth() const override { return shape_.depth; }

 private:
  /// Class token and registers [1,S,D], with their positions where they have some.
  at::Tensor special() const;
  at::Tensor hide(const at::Tensor& tokens, const Look& look, std::int64_t count) const;
  Encoded pool(const at::Tensor& tokens, std::int64_t special, std::vector<at::Tensor> taps) const;

  VitShape shape_;
  Pool pool_;
  std::shared_ptr<nn::PatchEmbed> patch_embed_;
  at::Tensor class_token_, mask_token_;  // [1,1,D]
  at::Tensor registers_;                 // [1,R,D]
  std::shared_ptr<nn::Blocks> blocks_;
  torch::nn::LayerNorm norm_{nullptr};
  Places places_;
};

}  // namespace cairn::transformer

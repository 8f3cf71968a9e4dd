#pragma once

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/normalization.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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
  nn::Activation activation = nn::Activation::gelu;
  bool gated = false;
  bool last_norm = true;
  bool picture_tokenizer = false;
  std::vector<std::int64_t> levels;
  bool fuse = false;
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

/// Vision transformer (Dosovitskiy et al. 2021) over grids of any number of axes. With levels, and a tokenizer for
/// pictures of its own, that of V-JEPA 2.1.
class Vit : public Encoder {
 public:
  Vit(const VitOptions& options, const EncoderSetting& setting);

  /// Only visible tokens are processed, rows of unequal length end to end. Taps of levels are behind their norms.
  /// ConfigError if tokens are masked and there is no mask token.
  Encoded encode(const View& view, const Look& look) override;
  std::int64_t width() const override {
    return shape_.width * (is_fused_ ? static_cast<std::int64_t>(levels_.size()) : 1);
  }
  std::int64_t depth() const override { return shape_.depth; }
  /// Unless tokens may not attend to themselves.
  bool can_pack() const override { return !is_self_masked_; }
  void check(const Context& seen) const override;
  /// Pictures, where they have a tokenizer of their own.
  bool can_take(const TokenizerSpec& tokenizer) const override;

 private:
  void add_tokenizers(const VitOptions& options, const TokenizerSpec& tokenizer);
  void add_norms(const VitOptions& options);
  /// Tokens of a clip, or of a picture: a clip of one frame where pictures have a tokenizer of their own.
  at::Tensor embed(const View& view, const TokenSet& visible, TokenGrid& grid);
  /// The output of a block behind the norm of its level; as it is where it has none.
  at::Tensor normed(const at::Tensor& x, std::int64_t block);
  /// Class token and registers [1,S,D], with their positions where they have some.
  at::Tensor special() const;
  at::Tensor hide(const at::Tensor& tokens, const Look& look, std::int64_t count) const;
  Encoded pool(const at::Tensor& tokens, std::int64_t special, const TokenSet& visible,
               std::vector<at::Tensor> taps) const;

  VitShape shape_;
  std::optional<TokenizerSpec> pictures_;
  Pool pool_;
  bool is_fused_, is_self_masked_;
  std::vector<std::int64_t> levels_;
  std::shared_ptr<nn::PatchEmbed> patch_embed_, picture_embed_;
  at::Tensor class_token_, mask_token_;  // [1,1,D]
  at::Tensor picture_mark_, clip_mark_;  // [1,1,D], added to every token
  at::Tensor registers_;                 // [1,R,D]
  std::shared_ptr<nn::Blocks> blocks_;
  torch::nn::LayerNorm norm_{nullptr};  // of the last level
  torch::nn::ModuleList level_norms_{nullptr};
  Places places_;
};

}  // namespace cairn::transformer

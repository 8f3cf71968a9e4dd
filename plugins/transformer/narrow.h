#pragma once

#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <cstdint>
#include <memory>

#include "cairn/nn/block.h"
#include "cairn/nn/initialise.h"
#include "cairn/nn/positions.h"
#include "cairn/options.h"
#include "cairn/predictor.h"
#include "places.h"

namespace cairn::transformer {

struct NarrowOptions {
  std::int64_t width = 384;
  std::int64_t depth = 6;
  std::int64_t heads = 0;
  double mlp_ratio = 4.0;
  std::int64_t groups = 1;
  bool zero_mask_tokens = false;
  bool class_token = false;
  bool whole_grid = false;
  Positions positions = Positions::sincos;
  nn::PositionOrder position_order = nn::PositionOrder::xy;
  bool uniform_power = true;
  nn::RotaryLayout rotary_layout = nn::RotaryLayout::paired;
  std::int64_t rotary_grid = 0;
  Numbering rotary_numbering = Numbering::view;
  bool resize_flat = false;
  std::int64_t fuse = 0;
  bool seen_outputs = false;
  bool marks = false;
  bool embed_bias = true;
  bool qkv_bias = true;
  bool key_bias = true;
  nn::Activation activation = nn::Activation::gelu;
  bool gated = false;
  double layer_scale = 0.0;
  double norm_epsilon = 1e-6;
  double last_norm_epsilon = 0.0;
  nn::Init init = nn::Init::jepa;
  bool depth_rescale = false;
  static Schema<NarrowOptions> schema();
};

/// The predictor of I-JEPA and V-JEPA, and the decoder of MAE: a transformer over the seen tokens and one mask token
/// for each asked place, of which the latter are returned. With `whole_grid`, over every place of the asked grid, seen
/// tokens where they stand and mask tokens elsewhere, as MAE's: seen places can be asked about too. With `seen_outputs`
/// seen places that are asked about are answered from their own tokens by a head of their own, as in V-JEPA 2.1.
class Narrow : public Predictor {
 public:
  Narrow(const NarrowOptions& options, const PredictorSetting& setting);

  /// [B,Q,O]; Error for a question about the pooled feature, or of a group without a mask token.
  at::Tensor predict(const Question& question) override;
  void check(const Context& seen, const Query& asked) const override;
  /// Unless it covers the whole grid.
  bool can_pack() const override { return !is_whole_grid_; }

 private:
  at::Tensor embed(const at::Tensor& tokens);
  /// What marks the tokens of clips, or of pictures: views of one place in time.
  at::Tensor mark(const Question& question) const;
  /// The class token of what was seen, [B,1,W]; undefined where it has no part.
  at::Tensor leading(const Question& question);
  /// Seen and mask tokens behind blocks and norm: the asked places, with `wants_seen` the seen ones before them.
  at::Tensor process(const Question& question, bool wants_seen);
  at::Tensor answer_asked(const Question& question);
  at::Tensor answer_all(const Question& question);
  at::Tensor answer_grid(const Question& question);

  bool has_class_token_, is_whole_grid_;
  torch::nn::Linear fuse_{nullptr}, embed_{nullptr}, project_{nullptr}, project_seen_{nullptr};
  at::Tensor mask_tokens_;               // [groups,1,W]
  at::Tensor picture_mark_, clip_mark_;  // [1,1,W]
  std::shared_ptr<nn::Blocks> blocks_;
  torch::nn::LayerNorm norm_{nullptr};
  Places places_;
};

}  // namespace cairn::transformer

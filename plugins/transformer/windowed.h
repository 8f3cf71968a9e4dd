#pragma once

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "cairn/options.h"
#include "cairn/predictor.h"

namespace cairn::transformer {

struct WindowedOptions {
  std::int64_t width = 512;
  std::int64_t depth = 16;
  std::int64_t heads = 16;
  double mlp_ratio = 4.0;
  std::vector<std::int64_t> window = {4, 4};
  std::vector<std::int64_t> shift = {2, 0};
  std::int64_t distance_width = 384;
  double norm_epsilon = 1e-6;
  static Schema<WindowedOptions> schema();
};

/// The decoder of AudioMAE (Huang et al. 2022): every place of a grid of two axes, seen tokens where they stand and
/// mask tokens elsewhere, through Swin blocks of the second version (Liu et al. 2022): attention by cosine within
/// windows, biased by a small network of the distance, every second block with shifted windows, norms behind the
/// branches.
class Windowed : public Predictor {
 public:
  Windowed(const WindowedOptions& options, const PredictorSetting& setting);

  void check(const Context& seen, const Query& asked) const override;
  /// [B,Q,O]; Error for a question about the pooled feature, or about another grid than the one it was made for.
  at::Tensor predict(const Question& question) override;

 private:
  torch::nn::Linear embed_{nullptr}, project_{nullptr};
  at::Tensor mask_tokens_;  // [1,1,W]
  at::Tensor positions_;    // [1,N,W]
  torch::nn::ModuleList blocks_{nullptr};
  torch::nn::LayerNorm norm_{nullptr};
  TokenGrid grid_;
};

}  // namespace cairn::transformer

#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>

#include "cairn/export.h"
#include "cairn/plan.h"
#include "cairn/token_grid.h"

namespace cairn::nn {

/// The tokens of a set, [B,N,D] to [B,K,D]; `tokens` itself for the set of all. Ids must lie in [0, N).
CAIRN_API at::Tensor gather_tokens(const at::Tensor& tokens, const TokenSet& set);

/// The mean of the tokens [B,K,D] that were seen as `set` says, [B,D]; zeros stand behind its shorter rows.
CAIRN_API at::Tensor mean_tokens(const at::Tensor& tokens, const TokenSet& set);

/// Cuts [B,C,...] into patches [B,N,P], tokens row-major, values in the order of a convolution's kernel: channel
/// slowest. ConfigError if a patch does not divide the data.
CAIRN_API at::Tensor cut_patches(const at::Tensor& data, const TokenizerSpec& spec);

/// Patch embedding over any number of axes as one linear map. `weight` is [D,P], a convolution's [D,C,p,...] reshaped.
class CAIRN_API PatchEmbed : public torch::nn::Module {
 public:
  PatchEmbed(TokenizerSpec spec, std::int64_t width);
  ~PatchEmbed() override;

  /// [B,C,...] to [B,K,D]; patches outside `visible` cost nothing. Error if the data is not of the tokenizer's shape.
  at::Tensor forward(const at::Tensor& data, const TokenSet& visible);
  /// The grid of data [B,C,...].
  TokenGrid grid(const at::Tensor& data) const;

  at::Tensor weight, bias;

 private:
  TokenizerSpec spec_;
};

}  // namespace cairn::nn

#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "nn/maybe_tensor.h"

namespace cairn::nn {

/// Self-attention of all tokens to all, and what its gradient needs of it. Only where kernels::has_attention(). With
/// `starts` (cairn/nn/packing.h) B is 1, and rows of unequal length lie end to end, each attending to itself.
struct AttentionOutput {
  at::Tensor rows;  // [B,N,D], of the type of what it is made of
  at::Tensor sums;  // float32 [2,B,H,N]
};

/// Of queries, keys and values side by side, packed [B,N,3*D] in float32 or bfloat16 on the CPU. In float32 `bias`
/// [3*D] is added to them in place.
AttentionOutput attention_pass(const at::Tensor& packed, std::int64_t heads, const MaybeTensor& bias = std::nullopt,
                               std::span<const std::int64_t> starts = {});

struct AttentionGradients {
  at::Tensor packed;  // [B,N,3*D]
  at::Tensor bias;    // float32 [3*D]; undefined where it is not wanted
};

/// The gradient from `of_rows` [B,N,D], contiguous and of the type of `packed`.
AttentionGradients attention_backward(const at::Tensor& packed, const at::Tensor& sums, const at::Tensor& of_rows,
                                      bool wants_bias, std::span<const std::int64_t> starts = {});

}  // namespace cairn::nn

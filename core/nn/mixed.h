#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/linear.h>

#include <array>
#include <cstdint>

#include "cairn/export.h"

namespace cairn::nn {

/// `weight` [out,in] and `bias` [out] (may be undefined) applied to x [..,in]. Under autocast to bfloat16 the weight's
/// gradient comes in the weight's own layout, so that it is added to the flat gradient in one coalesced pass;
/// autograd's comes transposed.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);
at::Tensor linear(const at::Tensor& x, const torch::nn::Linear& map);

/// GELU (erf; Hendrycks & Gimpel 2016) of linear(); its gradient and the bias's are one pass in float32 on the CPU, and
/// under autocast on a GPU.
at::Tensor linear_gelu(const at::Tensor& x, const torch::nn::Linear& map);

/// linear() of x [B,N,D] by [q|k|v], as queries, keys and values [B,H,N,D/H]; under autocast to bfloat16 their
/// gradients are laid side by side in one pass.
std::array<at::Tensor, 3> linear_qkv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                     std::int64_t heads);

/// Whether mixed_attention() is for `x`: on the CPU under autocast to bfloat16, with a weight that learns if anything
/// does.
CAIRN_API bool has_mixed_attention(const at::Tensor& x, const at::Tensor& weight);

/// Self-attention of all tokens to all, [B,N,D] to bfloat16 [B,N,D], with queries, keys and values by `weight` [3*D,D]
/// and `bias` [3*D], which may be undefined. What is kept is bfloat16, what is computed between is float32.
CAIRN_API at::Tensor mixed_attention(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                     std::int64_t heads);

}  // namespace cairn::nn

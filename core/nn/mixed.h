#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/linear.h>

#include <array>
#include <cstdint>

namespace cairn::nn {

/// `weight` [out,in] and `bias` [out] (may be undefined) applied to x [..,in]. Under autocast to bfloat16 the weight's
/// gradient comes in the weight's own layout, so that it is added to the flat gradient in one coalesced pass;
/// autograd's comes transposed.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);
at::Tensor linear(const at::Tensor& x, const torch::nn::Linear& map);

/// GELU (erf; Hendrycks & Gimpel 2016) of linear(); its gradient and the bias's are one pass on the CPU, and under
/// autocast on a GPU.
at::Tensor linear_gelu(const at::Tensor& x, const torch::nn::Linear& map);

/// linear() of x [B,N,D] by [q|k|v], as queries, keys and values [B,H,N,D/H]; under autocast to bfloat16 their
/// gradients are laid side by side in one pass.
std::array<at::Tensor, 3> linear_qkv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                     std::int64_t heads);

}  // namespace cairn::nn

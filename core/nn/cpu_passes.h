#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/linear.h>

#include <cstdint>
#include <vector>

#include "cairn/export.h"
#include "nn/residual_norm.h"

namespace cairn::nn {

/// Whether the passes below are for `x`: on the CPU, in float32 or under autocast to bfloat16. Then products and what
/// is kept between them are bfloat16, residual stream and sums float32.
CAIRN_API bool has_cpu_passes(const at::Tensor& x);

/// GELU (erf; Hendrycks & Gimpel 2016) of x [..,in] by a linear map with a bias. Bias, value and derivative, which is
/// kept in place of what it is taken at, are one pass, or the end of the product (cpu_product_gelu()); the gradient and
/// the bias's another.
CAIRN_API at::Tensor cpu_linear_gelu(const at::Tensor& x, const torch::nn::Linear& map);

/// Whether cpu_attention() is for `x`.
CAIRN_API bool has_cpu_attention(const at::Tensor& x);

/// Self-attention of all tokens to all, [B,N,D] to [B,N,D]: queries, keys and values are x by `weight` [3*D,D] plus
/// `bias` [3*D], which may be undefined. The bias and its gradient are part of the passes over the heads. With the
/// `starts` of packed rows (cairn/nn/packing.h), x is [1,T,D], and tokens attend to those of their row.
CAIRN_API at::Tensor cpu_attention(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                   std::int64_t heads, const std::vector<std::int64_t>& starts = {});

/// x [..,in] by `weight` [out,in]; no bias.
CAIRN_API at::Tensor cpu_linear(const at::Tensor& x, const at::Tensor& weight);

/// stream + branch and the layer norm of that.
CAIRN_API Normed cpu_add_norm(const at::Tensor& stream, const Branch& branch, const torch::nn::LayerNorm& norm);

}  // namespace cairn::nn

#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/linear.h>

#include <cstdint>

#include "cairn/export.h"

namespace cairn::nn {

/// Whether the passes below are for `x`: float32 on the CPU, outside autocast.
CAIRN_API bool has_cpu_passes(const at::Tensor& x);

/// GELU (erf; Hendrycks & Gimpel 2016) of x [..,in] by a linear map with a bias. Bias, value and derivative, which is
/// kept in place of what it is taken at, are one pass; the gradient and the bias's another.
CAIRN_API at::Tensor cpu_linear_gelu(const at::Tensor& x, const torch::nn::Linear& map);

/// Whether cpu_attention() is for `packed`.
CAIRN_API bool has_cpu_attention(const at::Tensor& packed);

/// Self-attention of all tokens to all, from [q|k|v] side by side, [B,N,3*D] to [B,N,D]. The gradient comes side by
/// side too.
CAIRN_API at::Tensor cpu_attention(const at::Tensor& packed, std::int64_t heads);

}  // namespace cairn::nn

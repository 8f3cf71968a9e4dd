#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/normalization.h>

namespace cairn::nn {

/// Whether a residual stream [B,N,D] takes the fused pass below: float32 on a GPU, under autocast to bfloat16, of a
/// width that the kernels have.
bool is_fused(const at::Tensor& stream);

/// A residual stream and its layer norm.
struct Normed {
  at::Tensor sum;     // float32
  at::Tensor normed;  // bfloat16
};

/// stream + branch (which may be undefined) and the norm of that, in one pass each way; the plain operators' values to
/// the rounding of bfloat16. Only where is_fused().
Normed add_norm(const at::Tensor& stream, const at::Tensor& branch, const torch::nn::LayerNorm& norm);

}  // namespace cairn::nn

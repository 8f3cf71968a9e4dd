#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

namespace cairn::nn {

/// Whether a residual stream [B,N,D] takes the fused pass below: float32 on the CPU, and on a GPU under autocast to
/// bfloat16 where its width is one that the kernels have.
bool is_fused(const at::Tensor& stream);

/// A residual stream and its layer norm.
struct Normed {
  at::Tensor sum;     // float32
  at::Tensor normed;  // bfloat16 under autocast to it
};

/// What is to be added to a residual stream; both may be undefined.
struct Branch {
  at::Tensor rows;   // [B,N,D]
  at::Tensor shift;  // [D], which is still to be added to the rows
};

/// x by `map`, whose bias is left to add_norm() where that adds it on its way. Only where is_fused().
Branch branch_of(const at::Tensor& x, const torch::nn::Linear& map);

/// stream + branch and the norm of that, in one pass each way; the plain operators' values to rounding. Only where
/// is_fused().
Normed add_norm(const at::Tensor& stream, const Branch& branch, const torch::nn::LayerNorm& norm);

}  // namespace cairn::nn

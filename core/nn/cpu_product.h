#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "cairn/export.h"
#include "nn/maybe_tensor.h"

namespace cairn::nn {

// The three products of a linear map on the CPU, without a gradient and whatever autocast says: of float32, or of
// bfloat16, which go by way of float32 where the CPU multiplies that faster.

/// x [..,K] by weight [N,K] plus bias [N], [..,N]. Large ones of float32 by oneDNN where MKL, which ATen takes, is
/// behind it: it keeps its best kernels for Intel's processors.
CAIRN_API at::Tensor cpu_product(const at::Tensor& x, const at::Tensor& weight, const MaybeTensor& bias = std::nullopt);

/// GELU of a product and its derivative, [M,N].
struct ProductGelu {
  at::Tensor out, slope;
};

/// That of x [M,K] by weight [N,K] plus bias [N], where product and GELU are one pass, as in bfloat16 on a CPU that is
/// fast at it; the derivative only if it is wanted.
CAIRN_API std::optional<ProductGelu> cpu_product_gelu(const at::Tensor& x, const at::Tensor& weight,
                                                      const at::Tensor& bias, bool wants_slope);

/// The gradient of what was multiplied by weight [N,K], [M,K], from the product's rows [M,N].
CAIRN_API at::Tensor cpu_input_gradient(const at::Tensor& rows, const at::Tensor& weight);

/// The weight's, float32 [N,K], from the product's rows [M,N] and inputs [M,K]: added to `into`, or returned where that
/// is undefined.
CAIRN_API at::Tensor cpu_weight_gradient(const at::Tensor& into, const at::Tensor& rows, const at::Tensor& inputs);

/// Whether this CPU multiplies matrices faster in bfloat16 than in float32: by AMX, and on AMD's by AVX-512's
/// instructions, which on Intel's run at half of float32's rate. Not timed, so that a busy machine computes the same.
CAIRN_API bool has_fast_bfloat16();

}  // namespace cairn::nn

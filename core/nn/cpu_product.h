#pragma once

#include <ATen/core/Tensor.h>

#include "cairn/export.h"

namespace cairn::nn {

/// rows [M,K] by weight [N,K], [M,N], float32 on the CPU, without a gradient. Large ones by oneDNN where MKL, which
/// ATen takes, is behind it: it keeps its best kernels for Intel's processors.
CAIRN_API at::Tensor cpu_product(const at::Tensor& rows, const at::Tensor& weight);

/// Whether this CPU multiplies matrices faster in bfloat16 than in float32. Timed once, as one that has instructions
/// for it need not be.
CAIRN_API bool has_fast_bfloat16();

}  // namespace cairn::nn

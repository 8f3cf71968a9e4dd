#pragma once

#include <cstdint>

namespace cairn::kernels {

/// Rows [M,D] of a residual stream on the current CUDA device; 16-bit values are bfloat16. D is a multiple of 4, at
/// most kWidestNorm.
struct ResidualNormShape {
  std::int64_t rows = 0;
  std::int64_t width = 0;
  float epsilon = 0;
};

inline constexpr std::int64_t kWidestNorm = 2048;

/// What the forward pass reads and writes.
struct ResidualNorm {
  const float* stream = nullptr;  // [M,D]
  const void* branch = nullptr;   // [M,D] of 16 bits, to be added; may be null
  const float* gamma = nullptr;   // [D]
  const float* beta = nullptr;    // [D]
  float* sum = nullptr;           // [M,D]: stream + branch; null where there is no branch
  void* normed = nullptr;         // [M,D] of 16 bits: layer norm of the sum
  float* mean = nullptr;          // [M]
  float* inverse = nullptr;       // [M], 1 / deviation
};

/// What the backward pass reads and writes.
struct ResidualNormGradient {
  const float* sum = nullptr;       // [M,D], as the forward pass left it
  const float* mean = nullptr;      // [M]
  const float* inverse = nullptr;   // [M]
  const float* gamma = nullptr;     // [D]
  const void* of_normed = nullptr;  // [M,D] of 16 bits
  const float* of_sum = nullptr;    // [M,D]; may be null
  float* of_stream = nullptr;       // [M,D]
  void* of_branch = nullptr;        // [M,D] of 16 bits, the same values; may be null
  float* parts = nullptr;           // [residual_norm_parts(),2,D]: to be summed to the gradients of gamma and beta
};

/// Blocks of the backward pass, each of which leaves its part of the gradients of gamma and beta.
std::int64_t residual_norm_parts(const ResidualNormShape& shape);

/// x' = x + b and LayerNorm(x') (Ba et al. 2016) in one pass on the current stream: a pre-norm transformer's residual
/// sum, norm and cast. Statistics are float32. Throws where Cairn has no CUDA.
void residual_norm(const ResidualNorm& pass, const ResidualNormShape& shape);
void residual_norm_backward(const ResidualNormGradient& pass, const ResidualNormShape& shape);

}  // namespace cairn::kernels

#pragma once

#include <cstdint>

namespace cairn::kernels {

// The three products of a linear map in bfloat16 (by its bits), with sums in float32, for CPUs that are fast at them
// (kernels/half_product.h). Weights are packed anew each time: that is a pass over them, where the product takes one
// for every few rows.

/// Of a linear map of rows [rows,in] by a weight [out,in].
struct LinearShape {
  std::int64_t rows = 0;
  std::int64_t in = 0;
  std::int64_t out = 0;
};

/// Whether `shape` is one for them: whole steps on both sides of the weight, and rows enough to pack it for.
bool has_half_linear(const LinearShape& shape);

/// x by the weight plus bias [out], float32 or null, rounded to `out` [rows,out].
void half_linear(const std::uint16_t* x, const std::uint16_t* weight, const float* bias, std::uint16_t* out,
                 const LinearShape& shape);

/// GELU of x by the weight plus bias, rounded to `out`; its derivative goes to `slope` [rows,out], if that is not null.
void half_linear_gelu(const std::uint16_t* x, const std::uint16_t* weight, const float* bias, std::uint16_t* out,
                      std::uint16_t* slope, const LinearShape& shape);

/// The gradient of x, rounded, from that of the output [rows,out].
void half_input_gradient(const std::uint16_t* of_out, const std::uint16_t* weight, std::uint16_t* of_x,
                         const LinearShape& shape);

/// That of the weight, float32 and not rounded, or added to what lies there; the same for any number of threads.
void half_weight_gradient(const std::uint16_t* of_out, const std::uint16_t* x, float* of_weight,
                          const LinearShape& shape, bool adds);

}  // namespace cairn::kernels

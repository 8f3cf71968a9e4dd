#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace cairn::kernels {

// Rows of float, or of bfloat16 by its bits; what is computed is float32.

/// GELU (erf; Hendrycks & Gimpel 2016) of x + bias [width], in place.
void gelu_rows(float* x, const float* bias, const RowsShape& shape);
void gelu_rows(std::uint16_t* x, const float* bias, const RowsShape& shape);

/// The same to `out`, with the derivative in place of x.
void gelu_rows(float* x_to_slope, float* out, const float* bias, const RowsShape& shape);
void gelu_rows(std::uint16_t* x_to_slope, std::uint16_t* out, const float* bias, const RowsShape& shape);

/// A product's sums, float32 rows one behind the other, to GELU of x + bias in bfloat16, rows that lie apart. The
/// derivative goes to `slope` in the same places, if that is not null.
struct GeluOfSums {
  const float* x = nullptr;
  const float* bias = nullptr;  // [width]
  std::uint16_t* out = nullptr;
  std::uint16_t* slope = nullptr;
};

void gelu_rows(const GeluOfSums& all, const StridedRows& shape);

template <class T>
struct GeluGradient {
  const T* of_out = nullptr;
  const T* slope = nullptr;  // the derivative
  T* of_x = nullptr;         // may be of_out
  float* sums = nullptr;     // [width]: the columns of `of_x` are added to it
};

/// The gradient of x.
void gelu_backward_rows(const GeluGradient<float>& gradient, const RowsShape& shape);
void gelu_backward_rows(const GeluGradient<std::uint16_t>& gradient, const RowsShape& shape);

}  // namespace cairn::kernels

#pragma once

#include "kernels/rows.h"

namespace cairn::kernels {

/// GELU (erf; Hendrycks & Gimpel 2016) of x + bias [width], in place.
void gelu_rows(float* x, const float* bias, const RowsShape& shape);

/// The same to `out`, with the derivative in place of x.
void gelu_rows(float* x_to_slope, float* out, const float* bias, const RowsShape& shape);

struct GeluGradient {
  const float* of_out = nullptr;
  const float* slope = nullptr;  // the derivative
  float* of_x = nullptr;
  float* sums = nullptr;  // [width]: the columns of `of_x` are added to it
};

/// The gradient of x.
void gelu_backward_rows(const GeluGradient& gradient, const RowsShape& shape);

}  // namespace cairn::kernels

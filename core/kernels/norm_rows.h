#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace cairn::kernels {

/// What layer norm (Ba et al. 2016) of float32 rows [M,D] on the CPU reads and writes: a pre-norm transformer's
/// residual sum and norm in one pass. T is what branch and norm are kept in: float, or bfloat16 by its bits.
template <class T>
struct NormRows {
  const float* stream = nullptr;  // [M,D]
  const T* branch = nullptr;      // [M,D], to be added; may be null
  const float* shift = nullptr;   // [D], to be added to each row of the branch; may be null
  const float* gamma = nullptr;   // [D]
  const float* beta = nullptr;    // [D]
  float* sum = nullptr;           // [M,D]: stream + branch + shift; null where there is no branch
  T* normed = nullptr;            // [M,D]
  float* mean = nullptr;          // [M]
  float* inverse = nullptr;       // [M], 1 / deviation
};

void norm_rows(const NormRows<float>& pass, const RowsShape& shape, float epsilon);
void norm_rows(const NormRows<std::uint16_t>& pass, const RowsShape& shape, float epsilon);

template <class T>
struct NormRowsGradient {
  const float* sum = nullptr;      // [M,D], as norm_rows() left it
  const float* mean = nullptr;     // [M]
  const float* inverse = nullptr;  // [M]
  const float* gamma = nullptr;    // [D]
  const T* of_normed = nullptr;    // [M,D]
  const float* of_sum = nullptr;   // [M,D]; may be null
  float* of_stream = nullptr;      // [M,D]; may be of_normed or of_sum
  T* of_branch = nullptr;          // [M,D], the same for what is kept in T; may be null
  float* sums = nullptr;           // [3,D]: the gradients of gamma, beta and shift are added to it
};

/// The gradient of the stream, which is the branch's too.
void norm_backward_rows(const NormRowsGradient<float>& pass, const RowsShape& shape);
void norm_backward_rows(const NormRowsGradient<std::uint16_t>& pass, const RowsShape& shape);

}  // namespace cairn::kernels

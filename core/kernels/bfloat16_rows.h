#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace cairn::kernels {

/// Rows of bfloat16, given by their bits, that lie `stride` apart, to float32 rows one behind the other.
void widen_rows(const std::uint16_t* from, float* to, const StridedRows& shape);

/// The other way, from rows that lie `from_stride` apart, rounded to the nearest and to the even of two; NaN stays NaN.
void narrow_rows(const float* from, std::int64_t from_stride, std::uint16_t* to, const StridedRows& shape);

}  // namespace cairn::kernels

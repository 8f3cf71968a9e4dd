#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace cairn::kernels {

// Matrices of bfloat16, by their bits, in the two forms that a product takes: rows one behind the other, and pairs of
// rows, [K/2,N,2], in which neighbours of a column lie side by side. Both are filled up with zeros to whole steps, so
// that a product has few shapes: oneDNN makes a kernel for each.

constexpr std::int64_t kHalfStep = 32;

constexpr std::int64_t whole_steps(std::int64_t size) { return (size + kHalfStep - 1) / kHalfStep * kHalfStep; }

/// Rows that lie apart to dense ones of `filled`, zeros behind and below them.
void gather_rows(const std::uint16_t* from, const StridedRows& shape, std::uint16_t* to, const RowsShape& filled);

/// Dense rows [rows,width] to pairs of rows.
void pair_rows(const std::uint16_t* from, std::uint16_t* to, const RowsShape& shape);

/// Turns a matrix [rows,width] of values of four bytes, to [width,rows]. Both are multiples of 16. Dense rows of
/// bfloat16 are thus turned to pairs of rows of the transpose, and pairs of rows to the transpose's rows.
void turn(const void* from, void* to, const RowsShape& shape);

}  // namespace cairn::kernels

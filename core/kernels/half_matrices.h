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

/// Rows that lie apart to pairs of rows, dense; those beyond the last, up to `filled`, are zeros.
void pair_rows(const std::uint16_t* from, const StridedRows& shape, std::uint16_t* to, std::int64_t filled);

/// Rows that lie apart to those of their transpose, dense [width,filled], with zeros behind. `filled` is a multiple of
/// 32, the width of 16.
void turn_rows(const std::uint16_t* from, const StridedRows& shape, std::uint16_t* to, std::int64_t filled);

/// Turns a matrix [rows,width] of values of four bytes whose rows lie apart, to [width,rows] with rows `to_stride`
/// apart. Both sizes are multiples of 16, and strides count such values. Rows of bfloat16 are thus turned to pairs of
/// rows of the transpose, and pairs of rows to the transpose's rows.
void turn(const void* from, const StridedRows& shape, void* to, std::int64_t to_stride);

/// The same of dense matrices.
inline void turn(const void* from, void* to, const RowsShape& shape) {
  turn(from, {shape.rows, shape.width, shape.width}, to, shape.rows);
}

}  // namespace cairn::kernels

#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace cairn::kernels {

/// What attention does between its products, on a tile of scores [rows,columns] in float32, one row after another.
struct Scores {
  float* values = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  float scale = 1.0F;  // of the scores: 1 / sqrt(width of a head)
};

/// What makes probabilities of scores again: the largest score of each row, and 1 / the sum of e^(scale * (score -
/// largest)).
template <class T>
struct RowSums {
  T* largest = nullptr;
  T* inverse = nullptr;
};

/// Scores to e^(scale * (score - largest)), and their `sums`.
void exp_rows(const Scores& scores, const RowSums<float>& sums);

/// The same of rows that lie `stride` apart, to `out` in bfloat16 (by its bits), with zeros between a row and the next.
void exp_rows(const Scores& scores, const RowSums<float>& sums, std::uint16_t* out, std::int64_t stride);

/// Scores to probabilities, by the sums that exp_rows() left.
void softmax_rows(const Scores& scores, const RowSums<const float>& sums);

/// Gradients of probabilities, in place to those of scores. Their mean under the probabilities is taken from both, not
/// from the output: where one token has all the weight, they cancel.
void softmax_backward_rows(const Scores& gradients, const float* probabilities);

/// Multiplies each row by its factor.
void scale_rows(float* x, const float* factors, const StridedRows& shape);

/// Adds `shift` [width] to each row.
void shift_rows(float* x, const float* shift, const StridedRows& shape);

/// The sum of the rows, to `sums` [width].
void sum_rows(const float* x, float* sums, const StridedRows& shape);

}  // namespace cairn::kernels

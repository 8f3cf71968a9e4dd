#pragma once

#include <cstdint>

namespace cairn::kernels {

/// What attention does between its products, on a tile of scores [rows,columns] in float32, one row after another.
struct Scores {
  float* values = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  float scale = 1.0F;  // of the scores: 1 / sqrt(width of a head)
};

/// Scores to e^(scale * score - largest) of each row; `inverse` [rows] gets 1 / their sum, `log_sum` [rows] the
/// logarithm of the sum of e^(scale * score).
void exp_rows(const Scores& scores, float* inverse, float* log_sum);

/// Scores to probabilities, by exp_rows()'s `log_sum`.
void softmax_rows(const Scores& scores, const float* log_sum);

/// Gradients of probabilities, in place to those of scores, given the probabilities and the mean gradient of each row
/// under them.
void softmax_backward_rows(const Scores& gradients, const float* probabilities, const float* means);

/// Rows [rows,width] that lie `stride` apart.
struct StridedRows {
  std::int64_t rows = 0;
  std::int64_t width = 0;
  std::int64_t stride = 0;
};

/// Multiplies each row by its factor.
void scale_rows(float* x, const float* factors, const StridedRows& shape);

/// The inner product of each row of a and b.
void dot_rows(const float* a, const float* b, float* out, const StridedRows& shape);

}  // namespace cairn::kernels

#include "kernels/turned_scores.h"

#include <algorithm>

#include "kernels/bfloat16_bits.h"
#include "kernels/vector_math.h"

namespace cairn::kernels {
namespace {

/// Scores to probabilities, in place; the means of their gradients under them to `means`.
[[gnu::always_inline]] inline void probabilities_of(const TurnedScores& tile, const float* largest,
                                                    const float* inverse, float* means) {
  const std::int64_t width = tile.filled.width;
  const float scale = tile.scale;
  std::fill_n(means, width, 0.0F);
  for (std::int64_t row = 0; row < tile.used.rows; ++row) {
    float* x = tile.scores + row * width;
    const float* of_x = tile.of_probabilities + row * width;
#pragma GCC ivdep
    for (std::int64_t i = 0; i < width; ++i) {
      x[i] = probability((x[i] - largest[i]) * scale, inverse[i]);
      means[i] += x[i] * of_x[i];
    }
  }
  std::fill(tile.scores + tile.used.rows * width, tile.scores + tile.filled.rows * width, 0.0F);
}

/// Probabilities to bfloat16, and the gradients of scores from those of them.
[[gnu::always_inline]] inline void gradients_of(const TurnedScores& tile, const float* means,
                                                const TurnedGradients& out) {
  const std::int64_t width = tile.filled.width, size = tile.filled.rows * width;
  const float scale = tile.scale;
  for (std::int64_t at = 0; at < size; at += width) {
    const float *x = tile.scores + at, *of_x = tile.of_probabilities + at;
    std::uint16_t *p = out.probabilities + at, *d = out.of_scores + at;
#pragma GCC ivdep
    for (std::int64_t i = 0; i < width; ++i) {
      p[i] = narrowed<std::uint16_t>(x[i]);
      d[i] = narrowed<std::uint16_t>(x[i] * (of_x[i] - means[i]) * scale);
    }
  }
}

}  // namespace

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void softmax_backward_columns(const TurnedScores& tile, const RowSums<const float>& sums, float* room,
                              const TurnedGradients& out) {
  const std::int64_t queries = tile.used.width, width = tile.filled.width;
  float *largest = room, *inverse = room + width, *means = room + 2 * width;
  std::fill(std::copy_n(sums.largest, queries, largest), largest + width, 0.0F);
  std::fill(std::copy_n(sums.inverse, queries, inverse), inverse + width, 0.0F);
  probabilities_of(tile, largest, inverse, means);
  gradients_of(tile, means, out);
}

}  // namespace cairn::kernels

#pragma once

#include <cstdint>

#include "kernels/rows.h"
#include "kernels/softmax_rows.h"

namespace cairn::kernels {

/// A tile of scores in float32 with the keys down and the queries across, and the gradients of its probabilities.
struct TurnedScores {
  float* scores = nullptr;
  float* of_probabilities = nullptr;
  RowsShape used;    // [keys,queries]
  RowsShape filled;  // as they lie, one row after another; the rest is zeros
  float scale = 1.0F;
};

/// What comes of them in bfloat16, of the filled size.
struct TurnedGradients {
  std::uint16_t* probabilities = nullptr;
  std::uint16_t* of_scores = nullptr;
};

/// As softmax_rows() and softmax_backward_rows(), by the `sums` of each query. `room` is for 3 values a filled column.
void softmax_backward_columns(const TurnedScores& tile, const RowSums<const float>& sums, float* room,
                              const TurnedGradients& out);

}  // namespace cairn::kernels

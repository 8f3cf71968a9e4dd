#pragma once

#include <cstdint>

#include "kernels/attention.h"

namespace cairn::kernels {

// Attention of bfloat16 as in kernels/attention.h, by products of bfloat16 with sums in float32 (oneDNN's, through
// ATen), for CPUs that are fast at them. Probabilities and the scores' gradients are rounded to bfloat16.

/// Whether `shape` is one for them: queries and keys are taken two values at a time.
bool has_half_attention(const AttentionShape& shape);

void half_attention(const AttentionPass<std::uint16_t>& pass, const AttentionShape& shape);

void half_attention_backward(const AttentionGradient<std::uint16_t>& gradient, const AttentionShape& shape);

}  // namespace cairn::kernels

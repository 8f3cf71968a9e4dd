#pragma once

#include <cstdint>

namespace cairn::kernels {

/// Self-attention on the CPU, computed in float32. Queries, keys and values lie side by side as a linear map leaves
/// them, [B,N,3,H,D]; outputs [B,N,H,D].
struct AttentionShape {
  std::int64_t batch = 0;
  std::int64_t tokens = 0;
  std::int64_t heads = 0;
  std::int64_t head_width = 0;
};

/// Whether LibTorch lets others call the matrix product that it computes with.
bool has_attention();

/// What attention reads and writes.
struct AttentionPass {
  float* qkv = nullptr;         // the bias is added in place
  const float* bias = nullptr;  // [3,H,D]; may be null
  float* out = nullptr;
  float* sums = nullptr;  // [2,B,H,N], what the gradient needs to make scores again: the largest, and sums behind them
};

/// The same of what is kept in bfloat16, by its bits.
struct AttentionPass16 {
  const std::uint16_t* qkv = nullptr;
  std::uint16_t* out = nullptr;
  float* sums = nullptr;
};

/// softmax(Q K^T / sqrt(D)) V. One tile of scores at a time, which stays in the cache (Dao et al. 2022). Only where
/// has_attention().
void attention(const AttentionPass& pass, const AttentionShape& shape);
void attention(const AttentionPass16& pass, const AttentionShape& shape);

/// What the gradient is made of, and where it goes.
struct AttentionGradient {
  const float* qkv = nullptr;
  const float* sums = nullptr;
  const float* of_out = nullptr;
  float* of_qkv = nullptr;
  float* of_bias = nullptr;  // [B,3,H,D], to be summed over the samples; may be null
};

struct AttentionGradient16 {
  const std::uint16_t* qkv = nullptr;
  const float* sums = nullptr;
  const std::uint16_t* of_out = nullptr;
  std::uint16_t* of_qkv = nullptr;
  float* of_bias = nullptr;
};

/// The gradient of queries, keys and values, side by side as they are.
void attention_backward(const AttentionGradient& gradient, const AttentionShape& shape);
void attention_backward(const AttentionGradient16& gradient, const AttentionShape& shape);

}  // namespace cairn::kernels

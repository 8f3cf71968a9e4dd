#pragma once

#include <cstdint>

namespace cairn::kernels {

/// Self-attention on the CPU, computed in float32. Queries, keys and values lie side by side as a linear map leaves
/// them, [B,N,3,H,D]; outputs [B,N,H,D]. Samples of unequal length lie end to end, T tokens in all, in place of B*N.
struct AttentionShape {
  std::int64_t batch = 0;
  std::int64_t tokens = 0;  // N, or those of the longest sample
  std::int64_t heads = 0;
  std::int64_t head_width = 0;
  const std::int64_t* starts = nullptr;  // [B+1], where each sample begins, and T; null: all have N tokens

  std::int64_t start(std::int64_t sample) const { return starts ? starts[sample] : sample * tokens; }
  std::int64_t all_tokens() const { return start(batch); }
};

/// Whether LibTorch lets others call the matrix product that it computes with.
bool has_attention();

/// What attention reads and writes. T is what tokens are kept in: float, or bfloat16 by its bits.
template <class T>
struct AttentionPass {
  T* qkv = nullptr;
  T* out = nullptr;
  float* sums =
      nullptr;  // [2,B,H,N] or [2,H*T], what the gradient needs to make scores again: the largest, and sums behind them
};

/// softmax(Q K^T / sqrt(D)) V. One tile of scores at a time, which stays in the cache (Dao et al. 2022). In float32
/// `bias` [3,H,D], which may be null, is added to the tokens in place first. Only where has_attention().
void attention(const AttentionPass<float>& pass, const float* bias, const AttentionShape& shape);
void attention(const AttentionPass<std::uint16_t>& pass, const AttentionShape& shape);

/// What the gradient is made of, and where it goes.
template <class T>
struct AttentionGradient {
  const T* qkv = nullptr;
  const float* sums = nullptr;
  const T* of_out = nullptr;
  T* of_qkv = nullptr;
  float* of_bias = nullptr;  // [B,3,H,D], to be summed over the samples; may be null
};

/// The gradient of queries, keys and values, side by side as they are.
void attention_backward(const AttentionGradient<float>& gradient, const AttentionShape& shape);
void attention_backward(const AttentionGradient<std::uint16_t>& gradient, const AttentionShape& shape);

}  // namespace cairn::kernels

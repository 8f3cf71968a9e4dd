#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/attention.h"
#include "kernels/bfloat16_rows.h"
#include "kernels/rows.h"
#include "kernels/softmax_rows.h"
#include "kernels/split_work.h"

namespace cairn::kernels {

constexpr std::int64_t kHeldScores = 1 << 16;  // a tile of them: 256 KiB

/// Queries, keys and values of one head of one sample, or their gradients: [N,D] each, with rows `stride` apart.
template <class T>
struct HeadParts {
  T* queries = nullptr;
  T* keys = nullptr;
  T* values = nullptr;
  std::int64_t stride = 0;
};

/// Where one head of one sample begins in what all share.
struct AttentionHead {
  std::int64_t packed, out, sums, of_bias, bias;
  std::int64_t tokens;
};

/// How attention finds its heads.
struct AttentionLayout {
  explicit AttentionLayout(const AttentionShape& s)
      : shape(s),
        width(s.heads * s.head_width),
        packed_stride(3 * width),
        scale(1.0F / std::sqrt(static_cast<float>(s.head_width))) {}

  AttentionHead head(std::int64_t number) const {
    const std::int64_t sample = number / shape.heads, of_sample = number % shape.heads;
    const std::int64_t start = shape.start(sample), tokens = shape.start(sample + 1) - start;
    const std::int64_t inside = of_sample * shape.head_width;
    return {start * packed_stride + inside,
            start * width + inside,
            start * shape.heads + of_sample * tokens,
            sample * packed_stride + inside,
            inside,
            tokens};
  }

  template <class T>
  HeadParts<T> parts(T* packed, const AttentionHead& head) const {
    return {packed + head.packed, packed + head.packed + width, packed + head.packed + 2 * width, packed_stride};
  }

  template <class T>
  RowSums<T> sums(T* all, const AttentionHead& head) const {
    return {all + head.sums, all + shape.heads * shape.all_tokens() + head.sums};
  }

  /// The rows of one head where they lie `stride` apart.
  StridedRows rows_of(const AttentionHead& head, std::int64_t stride) const {
    return {head.tokens, shape.head_width, stride};
  }

  AttentionShape shape;
  std::int64_t width, packed_stride;
  float scale;
};

/// work(head, room) for every head of every sample, on several threads, each with what make_room() gives it.
template <class MakeRoom, class Work>
void for_heads(const AttentionLayout& layout, MakeRoom&& make_room, Work&& work) {
  split_work(layout.shape.batch * layout.shape.heads, /*grain=*/1, [&](std::int64_t begin, std::int64_t end) {
    auto room = make_room();
    for (std::int64_t number = begin; number < end; ++number) work(layout.head(number), room);
  });
}

/// work(first, rows) for every tile of `size` queries or fewer.
template <class Work>
void for_tiles(std::int64_t tokens, std::int64_t size, Work&& work) {
  for (std::int64_t first = 0; first < tokens; first += size) work(first, std::min(size, tokens - first));
}

/// work(part, number) for queries, keys and values, which are numbered as they lie.
template <class T, class Work>
void for_parts(const HeadParts<T>& head, Work&& work) {
  work(head.queries, 0), work(head.keys, 1), work(head.values, 2);
}

/// The bias's gradient from one head of one sample.
inline void sum_parts(const AttentionLayout& layout, const AttentionHead& head, const HeadParts<float>& of_parts,
                      float* of_bias) {
  for_parts(of_parts, [&](const float* part, std::int64_t number) {
    sum_rows(part, of_bias + head.of_bias + number * layout.width, layout.rows_of(head, of_parts.stride));
  });
}

/// To where the parts of one head lie in bfloat16.
inline void narrow_parts(const AttentionLayout& layout, const AttentionHead& head, const HeadParts<float>& wide,
                         const HeadParts<std::uint16_t>& parts) {
  const StridedRows rows = layout.rows_of(head, parts.stride);
  narrow_rows(wide.queries, wide.stride, parts.queries, rows);
  narrow_rows(wide.keys, wide.stride, parts.keys, rows);
  narrow_rows(wide.values, wide.stride, parts.values, rows);
}

}  // namespace cairn::kernels

#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/bfloat16_rows.h"
#include "kernels/softmax_rows.h"
#include "kernels/split_work.h"

// BLAS, column-major: c = alpha * op(a) op(b) + beta * c. Null where LibTorch keeps its own to itself.
extern "C" [[gnu::weak]] void sgemm(const char* transpose_a, const char* transpose_b, const int* m, const int* n,
                                    const int* k, const float* alpha, const float* a, const int* lda, const float* b,
                                    const int* ldb, const float* beta, float* c, const int* ldc) asm("sgemm_");

namespace cairn::kernels {
namespace {

constexpr std::int64_t kTile = 1 << 16;  // scores that are held at a time: 256 KiB
constexpr std::int64_t kFewestRows = 16;

/// A row-major matrix, or its transpose, with rows `stride` apart.
struct Matrix {
  const float* values;
  std::int64_t stride;
  bool transposed = false;
};

Matrix transposed(Matrix matrix) { return {matrix.values, matrix.stride, !matrix.transposed}; }

/// c [m,n] = a [m,k] b [k,n], or c += where `adds`.
struct Product {
  std::int64_t m, n, k;
  bool adds = false;
};

void multiply(Matrix a, Matrix b, float* c, std::int64_t stride, const Product& size) {
  const auto m = static_cast<int>(size.m), n = static_cast<int>(size.n), k = static_cast<int>(size.k);
  const auto lda = static_cast<int>(a.stride), ldb = static_cast<int>(b.stride), ldc = static_cast<int>(stride);
  const float alpha = 1.0F, beta = size.adds ? 1.0F : 0.0F;
  // Row-major is column-major of the transpose: c^T = b^T a^T.
  sgemm(b.transposed ? "T" : "N", a.transposed ? "T" : "N", &n, &m, &k, &alpha, b.values, &ldb, a.values, &lda, &beta,
        c, &ldc);
}

/// Queries, keys and values of one head of one sample, or their gradients: [N,D] each, with rows `stride` apart.
template <class T>
struct Parts {
  T* queries = nullptr;
  T* keys = nullptr;
  T* values = nullptr;
  std::int64_t stride = 0;
};

/// Where one head of one sample begins in what all share, and how it is worked through.
struct Head {
  std::int64_t packed, out, sums, of_bias, bias;
  std::int64_t tokens;
  std::int64_t rows;  // of queries in a tile
};

/// The rows of a tile of `tokens` scores each.
std::int64_t tile_rows(std::int64_t tokens) {
  return std::clamp(kTile / tokens, std::min(kFewestRows, tokens), tokens);
}

struct Layout {
  explicit Layout(const AttentionShape& s)
      : shape(s),
        width(s.heads * s.head_width),
        packed_stride(3 * width),
        scale(1.0F / std::sqrt(static_cast<float>(s.head_width))) {}

  Head head(std::int64_t number) const {
    const std::int64_t sample = number / shape.heads, of_sample = number % shape.heads;
    const std::int64_t start = shape.start(sample), tokens = shape.start(sample + 1) - start;
    const std::int64_t inside = of_sample * shape.head_width;
    return {start * packed_stride + inside,
            start * width + inside,
            start * shape.heads + of_sample * tokens,
            sample * packed_stride + inside,
            inside,
            tokens,
            tile_rows(tokens)};
  }

  template <class T>
  Parts<T> parts(T* packed, const Head& head) const {
    return {packed + head.packed, packed + head.packed + width, packed + head.packed + 2 * width, packed_stride};
  }

  template <class T>
  RowSums<T> sums(T* all, const Head& head) const {
    return {all + head.sums, all + shape.heads * shape.all_tokens() + head.sums};
  }

  AttentionShape shape;
  std::int64_t width, packed_stride;
  float scale;
};

/// work(head, scratch) for every head of every sample, on several threads, each with `size` values of its own.
template <class Work>
void for_heads(const Layout& layout, std::int64_t size, Work&& work) {
  split_work(layout.shape.batch * layout.shape.heads, /*grain=*/1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> scratch(static_cast<std::size_t>(size));
    for (std::int64_t number = begin; number < end; ++number) work(layout.head(number), scratch.data());
  });
}

/// work(first, rows) for every tile of queries.
template <class Work>
void for_tiles(const Head& head, Work&& work) {
  for (std::int64_t first = 0; first < head.tokens; first += head.rows)
    work(first, std::min(head.rows, head.tokens - first));
}

/// Room for a tile of any sample.
std::int64_t tile_size(const Layout& layout) {
  const std::int64_t longest = layout.shape.tokens;
  return std::max(tile_rows(longest) * longest, layout.shape.starts ? std::min(longest * longest, kTile) : 0);
}

/// The outputs of one head to out [N,D], with rows `stride` apart, by way of one tile of scores.
void attend(const Layout& layout, const Head& head, const Parts<const float>& parts, float* out, std::int64_t stride,
            const RowSums<float>& sums, float* tile) {
  const std::int64_t tokens = head.tokens, depth = layout.shape.head_width;
  const Matrix k{parts.keys, parts.stride}, v{parts.values, parts.stride};
  for_tiles(head, [&](std::int64_t first, std::int64_t rows) {
    multiply({parts.queries + first * parts.stride, parts.stride}, transposed(k), tile, tokens, {rows, tokens, depth});
    const RowSums<float> own = {sums.largest + first, sums.inverse + first};
    exp_rows({tile, rows, tokens, layout.scale}, own);
    float* rows_out = out + first * stride;
    multiply({tile, tokens}, v, rows_out, stride, {rows, depth, tokens});
    scale_rows(rows_out, own.inverse, {rows, depth, stride});
  });
}

/// The gradients of one head's queries, keys and values, by way of two tiles.
void attend_backward(const Layout& layout, const Head& head, const Parts<const float>& parts,
                     const RowSums<const float>& sums, const Matrix& of_out, const Parts<float>& of_parts,
                     float* tiles) {
  const std::int64_t tokens = head.tokens, depth = layout.shape.head_width;
  const Matrix k{parts.keys, parts.stride}, v{parts.values, parts.stride};
  float *probabilities = tiles, *scores = tiles + tile_size(layout);
  const Matrix p{probabilities, tokens}, s{scores, tokens};
  for_tiles(head, [&](std::int64_t first, std::int64_t rows) {
    const Matrix q{parts.queries + first * parts.stride, parts.stride};
    const Matrix of_rows{of_out.values + first * of_out.stride, of_out.stride};
    const bool adds = first > 0;  // keys and values sum over the tiles

    multiply(q, transposed(k), probabilities, tokens, {rows, tokens, depth});
    softmax_rows({probabilities, rows, tokens, layout.scale}, {sums.largest + first, sums.inverse + first});
    multiply(transposed(p), of_rows, of_parts.values, of_parts.stride, {tokens, depth, rows, adds});
    multiply(of_rows, transposed(v), scores, tokens, {rows, tokens, depth});
    softmax_backward_rows({scores, rows, tokens, layout.scale}, probabilities);
    multiply(s, k, of_parts.queries + first * of_parts.stride, of_parts.stride, {rows, depth, tokens});
    multiply(transposed(s), q, of_parts.keys, of_parts.stride, {tokens, depth, rows, adds});
  });
}

/// work(part, number) for queries, keys and values, which are numbered as they lie.
template <class T, class Work>
void for_parts(const Parts<T>& head, Work&& work) {
  work(head.queries, 0), work(head.keys, 1), work(head.values, 2);
}

/// The rows of one head where they lie `stride` apart.
StridedRows rows_of(const Layout& layout, const Head& head, std::int64_t stride) {
  return {head.tokens, layout.shape.head_width, stride};
}

/// The bias's gradient from one head of one sample.
void sum_parts(const Layout& layout, const Head& head, const Parts<float>& of_parts, float* of_bias) {
  for_parts(of_parts, [&](const float* part, std::int64_t number) {
    sum_rows(part, of_bias + head.of_bias + number * layout.width, rows_of(layout, head, of_parts.stride));
  });
}

Parts<const float> constant(const Parts<float>& parts) {
  return {parts.queries, parts.keys, parts.values, parts.stride};
}

std::int64_t head_size(const Layout& layout) { return layout.shape.tokens * layout.shape.head_width; }

/// Room for one head in float32, one part behind the other.
Parts<float> parts_in(const Layout& layout, float* room) {
  const std::int64_t size = head_size(layout);
  return {room, room + size, room + 2 * size, layout.shape.head_width};
}

Parts<float> widened(const Layout& layout, const Head& head, const Parts<const std::uint16_t>& parts, float* room) {
  const Parts<float> wide = parts_in(layout, room);
  const StridedRows rows = rows_of(layout, head, parts.stride);
  widen_rows(parts.queries, wide.queries, rows);
  widen_rows(parts.keys, wide.keys, rows);
  widen_rows(parts.values, wide.values, rows);
  return wide;
}

void narrow(const Layout& layout, const Head& head, const Parts<float>& wide, const Parts<std::uint16_t>& parts) {
  const StridedRows rows = rows_of(layout, head, parts.stride);
  narrow_rows(wide.queries, parts.queries, rows);
  narrow_rows(wide.keys, parts.keys, rows);
  narrow_rows(wide.values, parts.values, rows);
}

}  // namespace

bool has_attention() { return sgemm != nullptr; }

void attention(const AttentionPass<float>& pass, const float* bias, const AttentionShape& shape) {
  const Layout layout(shape);
  for_heads(layout, tile_size(layout), [&](const Head& head, float* tile) {
    const Parts<float> own = layout.parts(pass.qkv, head);
    if (bias)
      for_parts(own, [&](float* part, std::int64_t number) {
        shift_rows(part, bias + number * layout.width + head.bias, rows_of(layout, head, own.stride));
      });
    attend(layout, head, constant(own), pass.out + head.out, layout.width, layout.sums(pass.sums, head), tile);
  });
}

void attention_backward(const AttentionGradient<float>& gradient, const AttentionShape& shape) {
  const Layout layout(shape);
  for_heads(layout, 2 * tile_size(layout), [&](const Head& head, float* tiles) {
    const Parts<float> of_parts = layout.parts(gradient.of_qkv, head);
    attend_backward(layout, head, layout.parts(gradient.qkv, head), layout.sums(gradient.sums, head),
                    {gradient.of_out + head.out, layout.width}, of_parts, tiles);
    if (gradient.of_bias) sum_parts(layout, head, of_parts, gradient.of_bias);
  });
}

void attention(const AttentionPass<std::uint16_t>& pass, const AttentionShape& shape) {
  const Layout layout(shape);
  const std::int64_t size = head_size(layout);
  for_heads(layout, tile_size(layout) + 4 * size, [&](const Head& head, float* room) {
    const Parts<float> wide = widened(layout, head, layout.parts<const std::uint16_t>(pass.qkv, head), room);
    float *out = room + 3 * size, *tile = out + size;
    attend(layout, head, constant(wide), out, shape.head_width, layout.sums(pass.sums, head), tile);
    narrow_rows(out, pass.out + head.out, rows_of(layout, head, layout.width));
  });
}

void attention_backward(const AttentionGradient<std::uint16_t>& gradient, const AttentionShape& shape) {
  const Layout layout(shape);
  const std::int64_t size = head_size(layout);
  for_heads(layout, 2 * tile_size(layout) + 7 * size, [&](const Head& head, float* room) {
    const Parts<float> wide = widened(layout, head, layout.parts(gradient.qkv, head), room);
    const Parts<float> of_parts = parts_in(layout, room + 3 * size);
    float *of_out = room + 6 * size, *tiles = of_out + size;
    widen_rows(gradient.of_out + head.out, of_out, rows_of(layout, head, layout.width));
    attend_backward(layout, head, constant(wide), layout.sums(gradient.sums, head), {of_out, shape.head_width},
                    of_parts, tiles);
    if (gradient.of_bias) sum_parts(layout, head, of_parts, gradient.of_bias);
    narrow(layout, head, of_parts, layout.parts(gradient.of_qkv, head));
  });
}

}  // namespace cairn::kernels

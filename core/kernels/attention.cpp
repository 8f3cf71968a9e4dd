#include "kernels/attention.h"

#include <algorithm>
#include <vector>

#include "kernels/attention_layout.h"

// BLAS, column-major: c = alpha * op(a) op(b) + beta * c. Null where LibTorch keeps its own to itself.
extern "C" [[gnu::weak]] void sgemm(const char* transpose_a, const char* transpose_b, const int* m, const int* n,
                                    const int* k, const float* alpha, const float* a, const int* lda, const float* b,
                                    const int* ldb, const float* beta, float* c, const int* ldc) asm("sgemm_");

namespace cairn::kernels {
namespace {

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

/// The rows of a tile of `tokens` scores each.
std::int64_t tile_rows(std::int64_t tokens) {
  return std::clamp(kHeldScores / tokens, std::min(kFewestRows, tokens), tokens);
}

/// work(head, room) for every head of every sample, with room for `size` values.
template <class Work>
void for_heads_with(const AttentionLayout& layout, std::int64_t size, Work&& work) {
  const auto make_room = [size] { return std::vector<float>(static_cast<std::size_t>(size)); };
  for_heads(layout, make_room, [&](const AttentionHead& head, std::vector<float>& room) { work(head, room.data()); });
}

/// Room for a tile of any sample.
std::int64_t tile_size(const AttentionLayout& layout) {
  const std::int64_t longest = layout.shape.tokens;
  return std::max(tile_rows(longest) * longest, layout.shape.starts ? std::min(longest * longest, kHeldScores) : 0);
}

/// The outputs of one head to out [N,D], with rows `stride` apart, by way of one tile of scores.
void attend(const AttentionLayout& layout, const AttentionHead& head, const HeadParts<const float>& parts, float* out,
            std::int64_t stride, const RowSums<float>& sums, float* tile) {
  const std::int64_t tokens = head.tokens, depth = layout.shape.head_width;
  const Matrix k{parts.keys, parts.stride}, v{parts.values, parts.stride};
  for_tiles(tokens, tile_rows(tokens), [&](std::int64_t first, std::int64_t rows) {
    multiply({parts.queries + first * parts.stride, parts.stride}, transposed(k), tile, tokens, {rows, tokens, depth});
    const RowSums<float> own = {sums.largest + first, sums.inverse + first};
    exp_rows({tile, rows, tokens, layout.scale}, own);
    float* rows_out = out + first * stride;
    multiply({tile, tokens}, v, rows_out, stride, {rows, depth, tokens});
    scale_rows(rows_out, own.inverse, {rows, depth, stride});
  });
}

/// The gradients of one head's queries, keys and values, by way of two tiles.
void attend_backward(const AttentionLayout& layout, const AttentionHead& head, const HeadParts<const float>& parts,
                     const RowSums<const float>& sums, const Matrix& of_out, const HeadParts<float>& of_parts,
                     float* tiles) {
  const std::int64_t tokens = head.tokens, depth = layout.shape.head_width;
  const Matrix k{parts.keys, parts.stride}, v{parts.values, parts.stride};
  float *probabilities = tiles, *scores = tiles + tile_size(layout);
  const Matrix p{probabilities, tokens}, s{scores, tokens};
  for_tiles(tokens, tile_rows(tokens), [&](std::int64_t first, std::int64_t rows) {
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

HeadParts<const float> constant(const HeadParts<float>& parts) {
  return {parts.queries, parts.keys, parts.values, parts.stride};
}

std::int64_t head_size(const AttentionLayout& layout) { return layout.shape.tokens * layout.shape.head_width; }

/// Room for one head in float32, one part behind the other.
HeadParts<float> parts_in(const AttentionLayout& layout, float* room) {
  const std::int64_t size = head_size(layout);
  return {room, room + size, room + 2 * size, layout.shape.head_width};
}

HeadParts<float> widened(const AttentionLayout& layout, const AttentionHead& head,
                         const HeadParts<const std::uint16_t>& parts, float* room) {
  const HeadParts<float> wide = parts_in(layout, room);
  const StridedRows rows = layout.rows_of(head, parts.stride);
  widen_rows(parts.queries, wide.queries, rows);
  widen_rows(parts.keys, wide.keys, rows);
  widen_rows(parts.values, wide.values, rows);
  return wide;
}

}  // namespace

bool has_attention() { return sgemm != nullptr; }

void attention(const AttentionPass<float>& pass, const float* bias, const AttentionShape& shape) {
  const AttentionLayout layout(shape);
  for_heads_with(layout, tile_size(layout), [&](const AttentionHead& head, float* tile) {
    const HeadParts<float> own = layout.parts(pass.qkv, head);
    if (bias)
      for_parts(own, [&](float* part, std::int64_t number) {
        shift_rows(part, bias + number * layout.width + head.bias, layout.rows_of(head, own.stride));
      });
    attend(layout, head, constant(own), pass.out + head.out, layout.width, layout.sums(pass.sums, head), tile);
  });
}

void attention_backward(const AttentionGradient<float>& gradient, const AttentionShape& shape) {
  const AttentionLayout layout(shape);
  for_heads_with(layout, 2 * tile_size(layout), [&](const AttentionHead& head, float* tiles) {
    const HeadParts<float> of_parts = layout.parts(gradient.of_qkv, head);
    attend_backward(layout, head, layout.parts(gradient.qkv, head), layout.sums(gradient.sums, head),
                    {gradient.of_out + head.out, layout.width}, of_parts, tiles);
    if (gradient.of_bias) sum_parts(layout, head, of_parts, gradient.of_bias);
  });
}

void attention(const AttentionPass<std::uint16_t>& pass, const AttentionShape& shape) {
  const AttentionLayout layout(shape);
  const std::int64_t size = head_size(layout);
  for_heads_with(layout, tile_size(layout) + 4 * size, [&](const AttentionHead& head, float* room) {
    const HeadParts<float> wide = widened(layout, head, layout.parts<const std::uint16_t>(pass.qkv, head), room);
    float *out = room + 3 * size, *tile = out + size;
    attend(layout, head, constant(wide), out, shape.head_width, layout.sums(pass.sums, head), tile);
    narrow_rows(out, shape.head_width, pass.out + head.out, layout.rows_of(head, layout.width));
  });
}

void attention_backward(const AttentionGradient<std::uint16_t>& gradient, const AttentionShape& shape) {
  const AttentionLayout layout(shape);
  const std::int64_t size = head_size(layout);
  for_heads_with(layout, 2 * tile_size(layout) + 7 * size, [&](const AttentionHead& head, float* room) {
    const HeadParts<float> wide = widened(layout, head, layout.parts(gradient.qkv, head), room);
    const HeadParts<float> of_parts = parts_in(layout, room + 3 * size);
    float *of_out = room + 6 * size, *tiles = of_out + size;
    widen_rows(gradient.of_out + head.out, of_out, layout.rows_of(head, layout.width));
    attend_backward(layout, head, constant(wide), layout.sums(gradient.sums, head), {of_out, shape.head_width},
                    of_parts, tiles);
    if (gradient.of_bias) sum_parts(layout, head, of_parts, gradient.of_bias);
    narrow_parts(layout, head, of_parts, layout.parts(gradient.of_qkv, head));
  });
}

}  // namespace cairn::kernels

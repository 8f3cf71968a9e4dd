#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

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

/// Where the parts of one head of one sample lie.
struct Head {
  std::int64_t packed, out, sums;
  std::int64_t sample, inside;  // inside: where a token's own part begins
};

struct Layout {
  explicit Layout(const AttentionShape& s)
      : shape(s),
        width(s.heads * s.head_width),
        packed_stride(3 * width),
        rows(std::clamp(kTile / s.tokens, std::min(kFewestRows, s.tokens), s.tokens)),
        scale(1.0F / std::sqrt(static_cast<float>(s.head_width))) {}

  Head head(std::int64_t number) const {
    const std::int64_t sample = number / shape.heads, head = number % shape.heads;
    const std::int64_t inside = head * shape.head_width;
    return {sample * shape.tokens * packed_stride + inside, sample * shape.tokens * width + inside,
            number * shape.tokens, sample, inside};
  }

  template <class T>
  RowSums<T> sums(T* all, std::int64_t first) const {
    return {all + first, all + shape.batch * shape.heads * shape.tokens + first};
  }

  AttentionShape shape;
  std::int64_t width, packed_stride;
  std::int64_t rows;  // of queries in a tile
  float scale;
};

/// work(first, rows) for every tile of queries.
template <class Work>
void for_tiles(const Layout& layout, Work&& work) {
  for (std::int64_t first = 0; first < layout.shape.tokens; first += layout.rows)
    work(first, std::min(layout.rows, layout.shape.tokens - first));
}

}  // namespace

bool has_attention() { return sgemm != nullptr; }

void attention(const AttentionPass& pass, const AttentionShape& shape) {
  const Layout layout(shape);
  const std::int64_t tokens = shape.tokens, width = layout.width, depth = shape.head_width;
  const std::int64_t stride = layout.packed_stride;
  split_work(shape.batch * shape.heads, /*grain=*/1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> tile(static_cast<std::size_t>(layout.rows * tokens));
    for (std::int64_t number = begin; number < end; ++number) {
      const Head head = layout.head(number);
      float* packed = pass.qkv + head.packed;
      if (pass.bias)
        for (std::int64_t part = 0; part < 3; ++part)
          shift_rows(packed + part * width, pass.bias + part * width + head.inside, {tokens, depth, stride});
      const Matrix k{packed + width, stride}, v{packed + 2 * width, stride};
      for_tiles(layout, [&](std::int64_t first, std::int64_t rows) {
        multiply({packed + first * stride, stride}, transposed(k), tile.data(), tokens, {rows, tokens, depth});
        const RowSums<float> own = layout.sums(pass.sums, head.sums + first);
        exp_rows({tile.data(), rows, tokens, layout.scale}, own);
        float* rows_out = pass.out + head.out + first * width;
        multiply({tile.data(), tokens}, v, rows_out, width, {rows, depth, tokens});
        scale_rows(rows_out, own.inverse, {rows, depth, width});
      });
    }
  });
}

void attention_backward(const AttentionGradient& gradient, const AttentionShape& shape) {
  const Layout layout(shape);
  const std::int64_t tokens = shape.tokens, width = layout.width, depth = shape.head_width;
  const std::int64_t stride = layout.packed_stride;
  split_work(shape.batch * shape.heads, /*grain=*/1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> probabilities(static_cast<std::size_t>(layout.rows * tokens)), scores(probabilities.size());
    for (std::int64_t number = begin; number < end; ++number) {
      const Head head = layout.head(number);
      const float* packed = gradient.qkv + head.packed;
      float* of_packed = gradient.of_qkv + head.packed;
      const Matrix k{packed + width, stride}, v{packed + 2 * width, stride};
      float *of_k = of_packed + width, *of_v = of_k + width;
      for_tiles(layout, [&](std::int64_t first, std::int64_t rows) {
        const Matrix q{packed + first * stride, stride}, of_out{gradient.of_out + head.out + first * width, width};
        const bool adds = first > 0;  // keys and values sum over the tiles

        multiply(q, transposed(k), probabilities.data(), tokens, {rows, tokens, depth});
        softmax_rows({probabilities.data(), rows, tokens, layout.scale}, layout.sums(gradient.sums, head.sums + first));
        const Matrix p{probabilities.data(), tokens}, s{scores.data(), tokens};
        multiply(transposed(p), of_out, of_v, stride, {tokens, depth, rows, adds});
        multiply(of_out, transposed(v), scores.data(), tokens, {rows, tokens, depth});
        softmax_backward_rows({scores.data(), rows, tokens, layout.scale}, p.values);
        multiply(s, k, of_packed + first * stride, stride, {rows, depth, tokens});
        multiply(transposed(s), q, of_k, stride, {tokens, depth, rows, adds});
      });
      if (!gradient.of_bias) continue;
      float* of_bias = gradient.of_bias + head.sample * stride + head.inside;
      for (std::int64_t part = 0; part < 3; ++part)
        sum_rows(of_packed + part * width, of_bias + part * width, {tokens, depth, stride});
    }
  });
}

}  // namespace cairn::kernels

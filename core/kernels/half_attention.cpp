#include "kernels/half_attention.h"

#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernels/attention_layout.h"
#include "kernels/half_matrices.h"
#include "kernels/turned_scores.h"

namespace cairn::kernels {
namespace {

using Half = std::uint16_t;

/// c [m,n] = a [m,k] b [k,n], or c += where `adds`: whole steps all.
struct HalfProduct {
  std::int64_t m = 0, n = 0, k = 0;
  bool adds = false;
};

/// Of dense rows `a` and pairs of rows `b`.
void multiply(const std::vector<Half>& a, const std::vector<Half>& b, std::vector<float>& c, const HalfProduct& size) {
  at::native::cpublas::brgemm(size.m, size.n, size.k, size.k, size.n, size.n, size.adds,
                              reinterpret_cast<const at::BFloat16*>(a.data()),
                              reinterpret_cast<const at::BFloat16*>(b.data()), c.data());
}

/// Gives a thread's matrix unit back, which others set up for themselves.
class Products {
 public:
  Products() = default;
  ~Products() { at::native::cpublas::brgemm_release(); }
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;
};

/// Sizes in whole steps: tokens of one sample, the width of a head, and the queries of a tile of scores.
struct Sizes {
  Sizes(std::int64_t all_tokens, std::int64_t head_width)
      : tokens(whole_steps(all_tokens)),
        width(whole_steps(head_width)),
        queries(std::clamp(kHeldScores / tokens / kHalfStep * kHalfStep, kHalfStep, tokens)) {}

  RowsShape all() const { return {tokens, width}; }
  RowsShape tile() const { return {queries, width}; }

  std::int64_t tokens, width, queries;
};

template <class T>
std::vector<T> room_for(std::int64_t size) {
  return std::vector<T>(static_cast<std::size_t>(size));
}

/// The most scores of a tile, of a sample of as many tokens or fewer.
std::int64_t most_scores(const Sizes& longest) { return std::max(kHeldScores, longest.tokens * kHalfStep); }

/// What a thread needs on the way forward.
struct Room {
  explicit Room(const Sizes& s)
      : rows(room_for<Half>(s.tokens * s.width)),
        keys(rows),
        values(rows),
        probabilities(room_for<Half>(most_scores(s))),
        scores(room_for<float>(most_scores(s))),
        out(room_for<float>(s.tokens * s.width)) {}

  Products products;
  std::vector<Half> rows, keys, values, probabilities;
  std::vector<float> scores, out;
};

/// The outputs of one head, by way of one tile of scores at a time.
void attend(const AttentionLayout& layout, const AttentionHead& head, const HeadParts<const Half>& parts, Half* out,
            const RowSums<float>& sums, Room& room) {
  const Sizes s(head.tokens, layout.shape.head_width);
  const StridedRows all = layout.rows_of(head, parts.stride);
  gather_rows(parts.keys, all, room.rows.data(), s.all());
  turn(room.rows.data(), room.keys.data(), {s.tokens, s.width / 2});
  gather_rows(parts.values, all, room.rows.data(), s.all());
  pair_rows(room.rows.data(), room.values.data(), s.all());
  for_tiles(head.tokens, s.queries, [&](std::int64_t first, std::int64_t rows) {
    const RowSums<float> own = {sums.largest + first, sums.inverse + first};
    gather_rows(parts.queries + first * parts.stride, {rows, all.width, all.stride}, room.rows.data(), s.tile());
    multiply(room.rows, room.keys, room.scores, {s.queries, s.tokens, s.width});
    exp_rows({room.scores.data(), rows, head.tokens, layout.scale}, own, room.probabilities.data(), s.tokens);
    multiply(room.probabilities, room.values, room.out, {s.queries, s.width, s.tokens});
    scale_rows(room.out.data(), own.inverse, {rows, all.width, s.width});
    narrow_rows(room.out.data(), s.width, out + first * layout.width, {rows, all.width, layout.width});
  });
}

/// What a thread needs on the way back. Scores lie with the keys down here, [tokens,queries].
struct BackwardRoom {
  explicit BackwardRoom(const Sizes& s)
      : rows(room_for<Half>(s.tokens * s.width)),
        keys(rows),
        values(rows),
        keys_across(rows),
        queries(rows),
        queries_across(rows),
        of_out(rows),
        of_out_across(rows),
        probabilities(room_for<Half>(most_scores(s))),
        of_scores(probabilities),
        of_scores_in_pairs(probabilities),
        scores(room_for<float>(most_scores(s))),
        of_probabilities(scores),
        sums(room_for<float>(3 * s.tokens)),
        of_queries(room_for<float>(2 * s.tokens * s.width)),  // in whole tiles
        of_keys(room_for<float>(s.tokens * s.width)),
        of_values(of_keys),
        of_queries_across(of_keys) {}

  Products products;
  std::vector<Half> rows, keys, values, keys_across, queries, queries_across, of_out, of_out_across;
  std::vector<Half> probabilities, of_scores, of_scores_in_pairs;
  std::vector<float> scores, of_probabilities, sums, of_queries, of_keys, of_values, of_queries_across;
};

/// Rows of one tile in pairs, and the pairs of their transpose.
void gather_tile(const Half* from, const StridedRows& shape, const Sizes& s, std::vector<Half>& rows,
                 std::vector<Half>& in_pairs, std::vector<Half>& across) {
  gather_rows(from, shape, rows.data(), s.tile());
  pair_rows(rows.data(), in_pairs.data(), s.tile());
  turn(rows.data(), across.data(), {s.queries, s.width / 2});
}

/// The gradients of one head's parts, left in the room.
HeadParts<float> attend_backward(const AttentionLayout& layout, const AttentionHead& head,
                                 const HeadParts<const Half>& parts, const Half* of_out,
                                 const RowSums<const float>& sums, BackwardRoom& room) {
  const Sizes s(head.tokens, layout.shape.head_width);
  const StridedRows all = layout.rows_of(head, parts.stride);
  gather_rows(parts.keys, all, room.keys.data(), s.all());
  pair_rows(room.keys.data(), room.rows.data(), s.all());
  turn(room.rows.data(), room.keys_across.data(), {s.tokens / 2, s.width});
  gather_rows(parts.values, all, room.values.data(), s.all());
  for_tiles(head.tokens, s.queries, [&](std::int64_t first, std::int64_t rows) {
    const bool adds = first > 0;  // keys and values sum over the tiles
    gather_tile(parts.queries + first * parts.stride, {rows, all.width, all.stride}, s, room.rows, room.queries,
                room.queries_across);
    gather_tile(of_out + first * layout.width, {rows, all.width, layout.width}, s, room.rows, room.of_out,
                room.of_out_across);
    multiply(room.keys, room.queries_across, room.scores, {s.tokens, s.queries, s.width});
    multiply(room.values, room.of_out_across, room.of_probabilities, {s.tokens, s.queries, s.width});
    const TurnedScores tile = {
        room.scores.data(), room.of_probabilities.data(), {head.tokens, rows}, {s.tokens, s.queries}, layout.scale};
    softmax_backward_columns(tile, {sums.largest + first, sums.inverse + first}, room.sums.data(),
                             {room.probabilities.data(), room.of_scores.data()});
    pair_rows(room.of_scores.data(), room.of_scores_in_pairs.data(), {s.tokens, s.queries});
    multiply(room.probabilities, room.of_out, room.of_values, {s.tokens, s.width, s.queries, adds});
    multiply(room.of_scores, room.queries, room.of_keys, {s.tokens, s.width, s.queries, adds});
    multiply(room.keys_across, room.of_scores_in_pairs, room.of_queries_across, {s.width, s.queries, s.tokens});
    turn(room.of_queries_across.data(), room.of_queries.data() + first * s.width, {s.width, s.queries});
  });
  return {room.of_queries.data(), room.of_keys.data(), room.of_values.data(), s.width};
}

/// The longest sample's, which have room for any other's.
Sizes longest(const AttentionLayout& layout) { return {layout.shape.tokens, layout.shape.head_width}; }

}  // namespace

bool has_half_attention(const AttentionShape& shape) { return shape.head_width % 2 == 0; }

void half_attention(const AttentionPass<Half>& pass, const AttentionShape& shape) {
  const AttentionLayout layout(shape);
  for_heads(
      layout, [&] { return Room(longest(layout)); },
      [&](const AttentionHead& head, Room& room) {
        attend(layout, head, layout.parts<const Half>(pass.qkv, head), pass.out + head.out,
               layout.sums(pass.sums, head), room);
      });
}

void half_attention_backward(const AttentionGradient<Half>& gradient, const AttentionShape& shape) {
  const AttentionLayout layout(shape);
  for_heads(
      layout, [&] { return BackwardRoom(longest(layout)); },
      [&](const AttentionHead& head, BackwardRoom& room) {
        const HeadParts<float> of_parts =
            attend_backward(layout, head, layout.parts(gradient.qkv, head), gradient.of_out + head.out,
                            layout.sums(gradient.sums, head), room);
        if (gradient.of_bias) sum_parts(layout, head, of_parts, gradient.of_bias);
        narrow_parts(layout, head, of_parts, layout.parts(gradient.of_qkv, head));
      });
}

}  // namespace cairn::kernels

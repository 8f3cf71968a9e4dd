#include "kernels/half_attention.h"

#include <algorithm>

#include "kernels/attention_layout.h"
#include "kernels/half_matrices.h"
#include "kernels/half_product.h"
#include "kernels/scratch.h"
#include "kernels/turned_scores.h"

namespace cairn::kernels {
namespace {

using Half = std::uint16_t;

/// Of a product of dense matrices in whole steps.
HalfProduct dense(std::int64_t m, std::int64_t n, std::int64_t k, bool adds = false) { return {m, n, k, k, n, adds}; }

/// Sizes in whole steps: tokens of one sample, the width of a head, and the queries of a tile of scores.
struct Sizes {
  Sizes(std::int64_t all_tokens, std::int64_t head_width)
      : tokens(whole_steps(all_tokens)),
        width(whole_steps(head_width)),
        queries(std::clamp(kHeldScores / tokens / kHalfStep * kHalfStep, kHalfStep, tokens)) {}

  RowsShape all() const { return {tokens, width}; }
  RowsShape tile() const { return {queries, width}; }
  std::int64_t values() const { return tokens * width; }
  /// The most of a tile, of a sample of as many tokens or fewer.
  std::int64_t scores() const { return std::max(kHeldScores, tokens * kHalfStep); }

  std::int64_t tokens, width, queries;
};

StridedRows dense_rows(const RowsShape& shape) { return {shape.rows, shape.width, shape.width}; }

/// What a thread needs on the way forward.
struct Room {
  explicit Room(const Sizes& s)
      : rows(s.values()),
        keys(s.values()),
        values(s.values()),
        probabilities(s.scores()),
        scores(s.scores()),
        out(s.values()) {}

  HalfProducts products;
  Scratch<Half> rows, keys, values, probabilities;
  Scratch<float> scores, out;
};

/// The outputs of one head, by way of one tile of scores at a time.
void attend(const AttentionLayout& layout, const AttentionHead& head, const HeadParts<const Half>& parts, Half* out,
            const RowSums<float>& sums, Room& room) {
  const Sizes s(head.tokens, layout.shape.head_width);
  const StridedRows all = layout.rows_of(head, parts.stride);
  gather_rows(parts.keys, all, room.rows.data(), s.all());
  turn(room.rows.data(), room.keys.data(), {s.tokens, s.width / 2});
  gather_rows(parts.values, all, room.rows.data(), s.all());
  pair_rows(room.rows.data(), dense_rows(s.all()), room.values.data(), s.tokens);
  for_tiles(head.tokens, s.queries, [&](std::int64_t first, std::int64_t rows) {
    const RowSums<float> own = {sums.largest + first, sums.inverse + first};
    gather_rows(parts.queries + first * parts.stride, {rows, all.width, all.stride}, room.rows.data(), s.tile());
    multiply(room.rows.data(), room.keys.data(), room.scores.data(), dense(s.queries, s.tokens, s.width));
    exp_rows({room.scores.data(), rows, head.tokens, layout.scale}, own, room.probabilities.data(), s.tokens);
    multiply(room.probabilities.data(), room.values.data(), room.out.data(), dense(s.queries, s.width, s.tokens));
    scale_rows(room.out.data(), own.inverse, {rows, all.width, s.width});
    narrow_rows(room.out.data(), s.width, out + first * layout.width, {rows, all.width, layout.width});
  });
}

/// What a thread needs on the way back. Scores lie with the keys down here, [tokens,queries].
struct BackwardRoom {
  explicit BackwardRoom(const Sizes& s)
      : rows(s.values()),
        keys(s.values()),
        values(s.values()),
        keys_across(s.values()),
        queries(s.values()),
        queries_across(s.values()),
        of_out(s.values()),
        of_out_across(s.values()),
        probabilities(s.scores()),
        of_scores(s.scores()),
        of_scores_in_pairs(s.scores()),
        scores(s.scores()),
        of_probabilities(s.scores()),
        sums(3 * s.tokens),
        of_queries(2 * s.values()),  // in whole tiles
        of_keys(s.values()),
        of_values(s.values()),
        of_queries_across(s.values()) {}

  HalfProducts products;
  Scratch<Half> rows, keys, values, keys_across, queries, queries_across, of_out, of_out_across;
  Scratch<Half> probabilities, of_scores, of_scores_in_pairs;
  Scratch<float> scores, of_probabilities, sums, of_queries, of_keys, of_values, of_queries_across;
};

/// Rows of one tile in pairs, and the pairs of their transpose.
void gather_tile(const Half* from, const StridedRows& shape, const Sizes& s, Scratch<Half>& rows,
                 Scratch<Half>& in_pairs, Scratch<Half>& across) {
  gather_rows(from, shape, rows.data(), s.tile());
  pair_rows(rows.data(), dense_rows(s.tile()), in_pairs.data(), s.queries);
  turn(rows.data(), across.data(), {s.queries, s.width / 2});
}

/// The gradients of one head's parts, left in the room.
HeadParts<float> attend_backward(const AttentionLayout& layout, const AttentionHead& head,
                                 const HeadParts<const Half>& parts, const Half* of_out,
                                 const RowSums<const float>& sums, BackwardRoom& room) {
  const Sizes s(head.tokens, layout.shape.head_width);
  const StridedRows all = layout.rows_of(head, parts.stride);
  gather_rows(parts.keys, all, room.keys.data(), s.all());
  pair_rows(room.keys.data(), dense_rows(s.all()), room.rows.data(), s.tokens);
  turn(room.rows.data(), room.keys_across.data(), {s.tokens / 2, s.width});
  gather_rows(parts.values, all, room.values.data(), s.all());
  for_tiles(head.tokens, s.queries, [&](std::int64_t first, std::int64_t rows) {
    const bool adds = first > 0;  // keys and values sum over the tiles
    gather_tile(parts.queries + first * parts.stride, {rows, all.width, all.stride}, s, room.rows, room.queries,
                room.queries_across);
    gather_tile(of_out + first * layout.width, {rows, all.width, layout.width}, s, room.rows, room.of_out,
                room.of_out_across);
    multiply(room.keys.data(), room.queries_across.data(), room.scores.data(), dense(s.tokens, s.queries, s.width));
    multiply(room.values.data(), room.of_out_across.data(), room.of_probabilities.data(),
             dense(s.tokens, s.queries, s.width));
    const TurnedScores tile = {
        room.scores.data(), room.of_probabilities.data(), {head.tokens, rows}, {s.tokens, s.queries}, layout.scale};
    softmax_backward_columns(tile, {sums.largest + first, sums.inverse + first}, room.sums.data(),
                             {room.probabilities.data(), room.of_scores.data()});
    pair_rows(room.of_scores.data(), dense_rows({s.tokens, s.queries}), room.of_scores_in_pairs.data(), s.tokens);
    multiply(room.probabilities.data(), room.of_out.data(), room.of_values.data(),
             dense(s.tokens, s.width, s.queries, adds));
    multiply(room.of_scores.data(), room.queries.data(), room.of_keys.data(),
             dense(s.tokens, s.width, s.queries, adds));
    multiply(room.keys_across.data(), room.of_scores_in_pairs.data(), room.of_queries_across.data(),
             dense(s.width, s.queries, s.tokens));
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

#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "cairn/plan.h"
#include "cairn/token_grid.h"

namespace cairn {

/// An RGB colour, each part 0 .. 1.
using Colour = std::array<double, 3>;

/// The colour that stands for query `number` wherever queries are drawn.
CAIRN_API Colour query_colour(std::size_t number);

/// One sample of a view in colours, float [3,...] over the same axes as `shown` [C,...] (0 .. 1): three channels are
/// red, green and blue, spectrograms and series get a colour map, anything else is grey. A series keeps its channels:
/// [3,C,T].
CAIRN_API at::Tensor colourise(const at::Tensor& shown, const std::vector<Axis>& axes);

/// A value of each token [N] at all its places in a view of this size [...].
CAIRN_API at::Tensor spread_tokens(const at::Tensor& values, const TokenGrid& grid, at::IntArrayRef size);

/// The places of `tokens` (row `row` of the batch) of a view of this size: float [...] of ones and zeros.
CAIRN_API at::Tensor token_places(const TokenSet& tokens, std::int64_t row, const TokenGrid& grid,
                                  at::IntArrayRef size);

/// `colours` [3,...] mixed with one colour by a share of 0 to 1 at each place [...].
CAIRN_API at::Tensor mix_in(const at::Tensor& colours, const Colour& colour, const at::Tensor& share);

/// What a context sees of its view, `colours` [3,...] over the axes of `grid`: the seen as it is, the hidden dark, the
/// places that its queries ask about tinted in the colours of the queries.
CAIRN_API at::Tensor context_colours(const at::Tensor& colours, const TokenGrid& grid, const Plan& plan,
                                     std::size_t context, std::int64_t row);

/// 1 where a context sees its view of this size, else 0, float [...]: tokens that stand hidden among the visible ones
/// are not seen.
CAIRN_API at::Tensor seen_places(const Context& context, std::int64_t row, const TokenGrid& grid, at::IntArrayRef size);

/// Values [K,...] over a view's axes, be they those of its pixels or of its tokens, laid out flat as [K,H,W]: time
/// becomes a strip of at most `frames` frames beside each other, frequency runs upwards, a series becomes a band for
/// each channel, or one.
CAIRN_API at::Tensor lay_flat(const at::Tensor& values, const std::vector<Axis>& axes, std::int64_t frames = 8);

/// Colours [3,H,W], 0 .. 1, as uint8 [H,W,3].
CAIRN_API at::Tensor as_bytes(const at::Tensor& colours);

/// `colours` [3,...] as a flat picture, uint8 [H,W,3], small ones enlarged by whole factors.
CAIRN_API at::Tensor flatten_picture(const at::Tensor& colours, const std::vector<Axis>& axes, std::int64_t frames = 8);

/// Pictures uint8 [H,W,3] on one sheet with a margin between: below each other if they are wide, else side by side.
CAIRN_API at::Tensor sheet(std::span<const at::Tensor> pictures);

/// The bytes of uint8 [H,W,3] as a PNG file; Error if it cannot be encoded.
CAIRN_API std::string png(const at::Tensor& picture);

/// Writes uint8 [H,W,3] as PNG; Error if that cannot be done.
CAIRN_API void write_png(const std::filesystem::path& path, const at::Tensor& picture);

}  // namespace cairn

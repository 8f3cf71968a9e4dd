#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
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

/// The places of `tokens` (row `row` of the batch) of a view of this size: float [...] of ones and zeros.
CAIRN_API at::Tensor token_places(const TokenSet& tokens, std::int64_t row, const TokenGrid& grid,
                                  at::IntArrayRef size);

/// `colours` [3,...] as a flat picture, uint8 [H,W,3]: time becomes a strip of at most `frames` frames beside each
/// other, frequency runs upwards, a series becomes a band for each channel; small pictures are enlarged by whole
/// factors.
CAIRN_API at::Tensor flatten_picture(const at::Tensor& colours, const std::vector<Axis>& axes, std::int64_t frames = 8);

/// Pictures uint8 [H,W,3] on one sheet with a margin between: below each other if they are wide, else side by side.
CAIRN_API at::Tensor sheet(std::span<const at::Tensor> pictures);

/// Writes uint8 [H,W,3] as PNG; Error if that cannot be done.
CAIRN_API void write_png(const std::filesystem::path& path, const at::Tensor& picture);

}  // namespace cairn

#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "cairn/export.h"
#include "cairn/token_grid.h"

namespace cairn {

/// A sample of a view in colours [3,...] with fewer values, over the same axes: its flat picture has about `most`
/// pixels, every token keeps a whole number of them along each axis, at least one. Of time before two other axes each
/// token keeps the frame in its middle.
CAIRN_API at::Tensor shrink(const at::Tensor& colours, const TokenGrid& grid, std::int64_t most = 96 * 96);

/// Colours [3,...] with tokens of weight 0 to 1 [N] tinted orange.
CAIRN_API at::Tensor tint_tokens(const at::Tensor& colours, const at::Tensor& weight, const TokenGrid& grid);

/// The part of colours [3,...] that a token stands for, over the same axes.
CAIRN_API at::Tensor cut_token(const at::Tensor& colours, const TokenGrid& grid, std::int64_t token);

}  // namespace cairn

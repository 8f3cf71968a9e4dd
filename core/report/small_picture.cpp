#include "report/small_picture.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "report/picture.h"

namespace cairn {
namespace {

constexpr double kMostTint = 0.8;

/// How many of a tensor's dimensions come before the axes of the grid.
std::int64_t leading(const at::Tensor& colours, const TokenGrid& grid) {
  return colours.dim() - static_cast<std::int64_t>(grid.extent.size());
}

/// [3,T,...] to [3,S,...]: the middle one of the frames of each of S tokens.
at::Tensor middle_frames(const at::Tensor& colours, std::int64_t tokens) {
  const std::int64_t each = colours.size(1) / tokens;
  return colours.index_select(1, at::arange(tokens, at::kLong) * each + each / 2);
}

}  // namespace

at::Tensor shrink(const at::Tensor& colours, const TokenGrid& grid, std::int64_t most) {
  const at::Tensor kept = grid.extent.size() == 3 ? middle_frames(colours, grid.extent[0]) : colours;
  const at::Tensor flat = lay_flat(kept, grid.axes);
  const double scale = std::sqrt(static_cast<double>(most) / static_cast<double>(flat.size(1) * flat.size(2)));
  if (scale >= 1.0) return kept.contiguous();
  const auto fewer = [&](std::int64_t pixels, std::int64_t tokens) {
    const std::int64_t each = pixels / tokens;
    return tokens * std::max<std::int64_t>(1, std::llround(scale * static_cast<double>(each)));
  };
  const std::int64_t width = fewer(kept.size(-1), grid.extent.back());
  if (grid.extent.size() == 1) return at::adaptive_avg_pool1d(kept, width);
  const std::int64_t height = fewer(kept.size(-2), grid.extent[grid.extent.size() - 2]);
  const at::Tensor planes = kept.reshape({-1, kept.size(-2), kept.size(-1)});
  std::vector<std::int64_t> size = kept.sizes().vec();
  size[size.size() - 2] = height;
  size.back() = width;
  return at::adaptive_avg_pool2d(planes, {height, width}).reshape(size);
}

at::Tensor tint_tokens(const at::Tensor& colours, const at::Tensor& weight, const TokenGrid& grid) {
  const auto size = colours.sizes().slice(static_cast<std::size_t>(leading(colours, grid)));
  return mix_in(colours, query_colour(0), kMostTint * spread_tokens(weight, grid, size));
}

at::Tensor cut_token(const at::Tensor& colours, const TokenGrid& grid, std::int64_t token) {
  at::Tensor part = colours;
  for (std::size_t a = grid.extent.size(); a-- > 0; token /= grid.extent[a]) {
    const auto axis = leading(colours, grid) + static_cast<std::int64_t>(a);
    const std::int64_t each = colours.size(axis) / grid.extent[a];
    part = part.narrow(axis, token % grid.extent[a] * each, each);
  }
  return part.contiguous();
}

}  // namespace cairn

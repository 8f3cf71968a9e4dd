#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "cairn/export.h"
#include "cairn/plan.h"
#include "cairn/token_grid.h"

namespace cairn::nn {

/// Which axis of a two-axis grid fills the first half of a position vector: I-JEPA puts x first, V-JEPA y. Grids with
/// another number of axes always keep the order of their axes.
enum class PositionOrder : std::uint8_t { xy, yx };

/// How the features of a position are shared between the axes of a grid.
struct PositionLayout {
  PositionOrder order = PositionOrder::xy;
  bool uniform_power =
      true;  // equal shares; false gives half to the first axis, the rest equal shares of the other half
};

/// Sine-cosine table of positions 0 .. count-1, float64 [count,width]: frequencies 10000^(-2i/width), all sines, then
/// all cosines (Vaswani et al. 2017, not interleaved). `width` is even.
CAIRN_API at::Tensor sincos_axis(std::int64_t count, std::int64_t width);

/// Sine-cosine table of a grid, float32 [N,width], tokens row-major. Equal shares are 2*ceil(width / (2*axes)) features
/// each, cut to `width` at the end, as V-JEPA does. ConfigError if unequal shares do not divide `width`, or an axis is
/// left without features.
CAIRN_API at::Tensor sincos_grid(std::span<const std::int64_t> extent, std::int64_t width, PositionLayout layout);

/// Sine-cosine tables by grid and device, each computed once. They are no part of a checkpoint. One thread at a time.
class CAIRN_API PositionTables {
 public:
  PositionTables(std::int64_t width, PositionLayout layout);

  /// The whole table, [N,width].
  const at::Tensor& table(const TokenGrid& grid, at::Device device);
  /// Positions of `tokens`: [1,N,width] for all of them, else [B,K,width].
  at::Tensor positions(const TokenGrid& grid, const TokenSet& tokens, at::Device device);

 private:
  using Key = std::pair<std::vector<std::int64_t>, std::pair<int, int>>;

  std::int64_t width_;
  PositionLayout layout_;
  std::map<Key, at::Tensor> tables_;
};

}  // namespace cairn::nn

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
      true;              // equal shares; false gives half to the first axis, the rest equal shares of the other half
  bool is_flat = false;  // axes share one running number instead, sines and cosines in turn, as in VideoMAE
};

/// Sine-cosine table of positions 0 .. count-1, float64 [count,width]: frequencies 10000^(-2i/width), all sines, then
/// all cosines (Vaswani et al. 2017, not interleaved). `width` is even.
CAIRN_API at::Tensor sincos_axis(std::int64_t count, std::int64_t width);

/// Sine-cosine table of a grid, float32 [N,width], tokens row-major. Equal shares are 2*ceil(width / (2*axes)) features
/// each, cut to `width` at the end, as V-JEPA does. ConfigError if unequal shares do not divide `width`, or an axis is
/// left without features.
CAIRN_API at::Tensor sincos_grid(std::span<const std::int64_t> extent, std::int64_t width, PositionLayout layout);

/// Sine-cosine table of running numbers 0 .. count-1, float32 [count,width]: feature j has the frequency
/// 10000^(-2 floor(j/2) / width), even features are sines and odd ones cosines (VideoMAE, Tong et al. 2022).
CAIRN_API at::Tensor sincos_flat(std::int64_t count, std::int64_t width);

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

/// How a table of learned positions is resized to another grid.
struct PositionResize {
  bool antialias = false;
  double offset = 0.0;   // added to the target extent where the scale is computed: 0.1 in DINO and DINOv2
  bool is_flat = false;  // along the running number, as transformers has it in MAE's decoder
};

/// Learned positions of `tokens` of `grid`: [1,N,D] for all of them, else [B,K,D]. `table` [1,N',D] is that of the
/// tokens of `made_for`; for other grids it is resized: bicubically on two axes, as ViT and DINOv2 do, linearly on one
/// or three. Error if the grids have not the same axes.
CAIRN_API at::Tensor learned_positions(const at::Tensor& table, const TokenGrid& made_for, const TokenGrid& grid,
                                       const TokenSet& tokens, const PositionResize& resize);

/// How the angles of an axis lie on its features. `paired`: both features of a pair turn by one angle (Su et al. 2021,
/// V-JEPA 2.1); `tiled`: all angles one after the other, twice, with which the weights of V-JEPA 2 were trained.
enum class RotaryLayout : std::uint8_t { paired, tiled };

/// Turns of the first R features of every head of some tokens.
struct Rotation {
  at::Tensor cosine, sine;  // [1 or B,1,N,R]; sines have the sign that their feature's partner gets

  bool defined() const { return cosine.defined(); }
};

/// Queries or keys [B,H,N,F] turned by their positions; `rotation` may be of more tokens, the first ones are left out.
CAIRN_API at::Tensor rotate(const at::Tensor& x, const Rotation& rotation);

/// The rotations of two runs of tokens, one behind the other.
CAIRN_API Rotation join(const Rotation& first, const Rotation& second);

/// Rotary position tables by grid and device, each computed once. Every axis turns 2*floor(F / (2*axes)) of a head's F
/// features by angles position * 10000^(-2i/share), in the order of the axes; features left over stay. One thread at a
/// time.
class CAIRN_API RotaryTables {
 public:
  /// With `reference` > 0 the positions of an axis of n places, time apart, are spread over 0 .. reference-1, as
  /// V-JEPA 2.1 does for other resolutions.
  RotaryTables(std::int64_t head_width, RotaryLayout layout, std::int64_t reference = 0);

  /// Rotation of `tokens`, behind `fixed` tokens without a place that stay as they are. ConfigError if heads are too
  /// narrow for the axes.
  Rotation rotation(const TokenGrid& grid, const TokenSet& tokens, std::int64_t fixed, at::Device device);

 private:
  using Key = std::pair<std::vector<std::int64_t>, std::pair<int, int>>;

  at::Tensor table(const TokenGrid& grid) const;

  std::int64_t head_width_;
  RotaryLayout layout_;
  std::int64_t reference_;
  std::map<Key, at::Tensor> tables_;
};

}  // namespace cairn::nn

#include "cairn/nn/positions.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <optional>
#include <string>

#include "cairn/error.h"
#include "cairn/nn/tokens.h"

namespace cairn::nn {

namespace {

std::vector<std::int64_t> axis_widths(std::int64_t axes, std::int64_t width, bool uniform) {
  if (uniform || axes < 3) {
    const std::int64_t share = (width + 2 * axes - 1) / (2 * axes) * 2;
    if (width - (axes - 1) * share < 2)
      throw ConfigError(
          "width",
          "a width of " + std::to_string(width) + " leaves no room for the last of " + std::to_string(axes) + " axes",
          "choose a larger width");
    return std::vector<std::int64_t>(axes, share);
  }
  if (width % (4 * (axes - 1)) != 0)
    throw ConfigError("width",
                      "unequal position shares on " + std::to_string(axes) +
                          " axes need a width that is a multiple of " + std::to_string(4 * (axes - 1)) + ", not " +
                          std::to_string(width),
                      "set uniform_power = true, or change the width");
  std::vector<std::int64_t> widths(axes, width / 2 / (axes - 1));
  widths.front() = width / 2;
  return widths;
}

/// The table of one axis, [extent,width], repeated along the others of a grid: [N,width].
at::Tensor spread(std::span<const std::int64_t> extent, std::int64_t axis, const at::Tensor& table) {
  std::vector<std::int64_t> shape(extent.size() + 1, 1), full(extent.begin(), extent.end());
  shape[axis] = extent[axis];
  shape.back() = table.size(1);
  full.push_back(table.size(1));
  return table.view(shape).expand(full).reshape({-1, table.size(1)});
}

at::Tensor frequencies(std::int64_t count) {
  return at::pow(10000.0, at::arange(count, at::TensorOptions(at::kDouble)) / -static_cast<double>(count));
}

/// [N,D] to [1,N,D] for all tokens, else [B,K,D].
at::Tensor rows_of(const at::Tensor& table, const TokenSet& tokens) {
  if (tokens.all()) return table.unsqueeze(0);
  return table.index_select(0, tokens.index.reshape(-1))
      .view({tokens.index.size(0), tokens.index.size(1), table.size(1)});
}

}  // namespace

at::Tensor sincos_axis(std::int64_t count, std::int64_t width) {
  const at::Tensor angle = at::outer(at::arange(count, at::TensorOptions(at::kDouble)), frequencies(width / 2));
  return at::cat({angle.sin(), angle.cos()}, 1);
}

at::Tensor sincos_grid(std::span<const std::int64_t> extent, std::int64_t width, PositionLayout layout) {
  const auto axes = static_cast<std::int64_t>(extent.size());
  const auto widths = axis_widths(axes, width, layout.uniform_power);
  std::vector<at::Tensor> parts;
  for (std::int64_t i = 0; i < axes; ++i) {
    const std::int64_t axis = axes == 2 && layout.order == PositionOrder::xy ? 1 - i : i;
    parts.push_back(spread(extent, axis, sincos_axis(extent[axis], widths[i])));
  }
  return at::cat(parts, 1).narrow(1, 0, width).to(at::kFloat).contiguous();
}

at::Tensor sincos_flat(std::int64_t count, std::int64_t width) {
  const auto options = at::TensorOptions(at::kDouble);
  const at::Tensor pair = at::arange(width, options).div(2.0, "floor");
  const at::Tensor frequency = at::pow(10000.0, pair * (-2.0 / static_cast<double>(width)));
  const at::Tensor angle = at::outer(at::arange(count, options), frequency);
  const at::Tensor is_odd = at::arange(width).remainder(2).to(at::kBool);
  return at::where(is_odd, angle.cos(), angle.sin()).to(at::kFloat);
}

PositionTables::PositionTables(std::int64_t width, PositionLayout layout) : width_(width), layout_(layout) {}

const at::Tensor& PositionTables::table(const TokenGrid& grid, at::Device device) {
  at::Tensor& table = tables_[{grid.extent, {static_cast<int>(device.type()), device.index()}}];
  if (!table.defined()) {
    const c10::InferenceMode outside(false);  // a table first asked for under inference mode must serve training too
    table =
        (layout_.is_flat ? sincos_flat(grid.count(), width_) : sincos_grid(grid.extent, width_, layout_)).to(device);
  }
  return table;
}

at::Tensor PositionTables::positions(const TokenGrid& grid, const TokenSet& tokens, at::Device device) {
  return rows_of(table(grid, device), tokens);
}

at::Tensor learned_positions(const at::Tensor& table, const TokenGrid& made_for, const TokenGrid& grid,
                             const TokenSet& tokens, const PositionResize& resize) {
  at::Tensor own = table;
  if (grid.extent != made_for.extent) {
    const auto shape_of = [&](const TokenGrid& g) {
      return resize.is_flat ? std::vector<std::int64_t>{1, g.count()} : g.extent;
    };
    const std::vector<std::int64_t> from = shape_of(made_for), to = shape_of(grid);
    if (from.size() != to.size() || from.size() > 3)
      throw Error("learned positions of " + made_for.text() + " tokens meet a view of " + grid.text(), "position table",
                  "show it views with the same axes, or choose fixed positions");
    std::vector<std::int64_t> shape = {1};
    shape.insert(shape.end(), from.begin(), from.end());
    shape.push_back(table.size(2));
    const at::Tensor lattice = table.view(shape).movedim(-1, 1);
    std::vector<double> scales;
    for (std::size_t a = 0; a < to.size(); ++a)
      scales.push_back((static_cast<double>(to[a]) + resize.offset) / static_cast<double>(from[a]));
    const std::optional<at::ArrayRef<double>> scale =
        resize.offset == 0.0 ? std::nullopt : std::optional<at::ArrayRef<double>>(scales);
    const at::OptionalIntArrayRef size = resize.offset == 0.0 ? at::OptionalIntArrayRef(to) : std::nullopt;
    at::Tensor resized;
    if (to.size() == 2) {
      resized = resize.antialias ? at::_upsample_bicubic2d_aa(lattice, size, /*align_corners=*/false, scale)
                                 : at::upsample_bicubic2d(lattice, size, /*align_corners=*/false, scale);
    } else if (to.size() == 3) {
      resized = at::upsample_trilinear3d(lattice, size, /*align_corners=*/false, scale);
    } else {
      resized = at::upsample_linear1d(lattice, size, /*align_corners=*/false, scale);
    }
    own = resized.flatten(2).transpose(1, 2);
  }
  if (tokens.all()) return own;
  return gather_tokens(own.expand({tokens.index.size(0), -1, -1}), tokens);
}

at::Tensor rotate(const at::Tensor& x, const Rotation& rotation) {
  const std::int64_t count = x.size(2), turned = rotation.cosine.size(-1), rest = x.size(-1) - turned;
  const auto last = [&](const at::Tensor& t) { return t.narrow(2, t.size(2) - count, count); };
  const at::Tensor part = x.narrow(-1, 0, turned);
  const at::Tensor partners = part.unflatten(-1, {-1, 2}).flip(-1).flatten(-2);
  const at::Tensor result = (part * last(rotation.cosine) + partners * last(rotation.sine)).to(x.scalar_type());
  return rest == 0 ? result : at::cat({result, x.narrow(-1, turned, rest)}, -1);
}

Rotation join(const Rotation& first, const Rotation& second) {
  const std::int64_t rows = std::max(first.cosine.size(0), second.cosine.size(0));
  const auto both = [&](const at::Tensor& a, const at::Tensor& b) {
    return at::cat({a.expand({rows, -1, -1, -1}), b.expand({rows, -1, -1, -1})}, 2);
  };
  return {both(first.cosine, second.cosine), both(first.sine, second.sine)};
}

RotaryTables::RotaryTables(std::int64_t head_width, RotaryLayout layout, std::int64_t reference)
    : head_width_(head_width), layout_(layout), reference_(reference) {}

/// Cosines, then signed sines, of every token: [N,2R].
at::Tensor RotaryTables::table(const TokenGrid& grid) const {
  const auto axes = static_cast<std::int64_t>(grid.extent.size());
  const std::int64_t share = head_width_ / axes / 2 * 2;
  if (share == 0)
    throw ConfigError("heads",
                      "rotary positions on " + std::to_string(axes) + " axes do not fit into heads of " +
                          std::to_string(head_width_) + " features",
                      "choose fewer heads, or a larger width");
  std::vector<at::Tensor> cosines, sines;
  const at::Tensor sign = at::tensor({-1.0, 1.0}, at::kDouble).repeat({share / 2});
  for (std::int64_t a = 0; a < axes; ++a) {
    const std::int64_t count = grid.extent[a];
    at::Tensor place = at::arange(count, at::TensorOptions(at::kDouble));
    if (reference_ > 0 && count > 1 && grid.axes[a] != Axis::time)
      place *= static_cast<double>(reference_ - 1) / static_cast<double>(count - 1);
    at::Tensor angle = at::outer(place, frequencies(share / 2));
    angle = layout_ == RotaryLayout::tiled ? angle.repeat({1, 2}) : angle.repeat_interleave(2, 1);
    cosines.push_back(spread(grid.extent, a, angle.cos()));
    sines.push_back(spread(grid.extent, a, angle.sin() * sign));
  }
  return at::cat({at::cat(cosines, 1), at::cat(sines, 1)}, 1).to(at::kFloat);
}

Rotation RotaryTables::rotation(const TokenGrid& grid, const TokenSet& tokens, std::int64_t fixed, at::Device device) {
  at::Tensor& all = tables_[{grid.extent, {static_cast<int>(device.type()), device.index()}}];
  if (!all.defined()) {
    const c10::InferenceMode outside(false);  // as for PositionTables
    all = table(grid).to(device);
  }
  const auto parts = rows_of(all, tokens).unsqueeze(1).chunk(2, -1);
  if (fixed == 0) return {parts[0], parts[1]};
  const std::vector<std::int64_t> size = {parts[0].size(0), 1, fixed, parts[0].size(3)};
  return {at::cat({at::ones(size, parts[0].options()), parts[0]}, 2),
          at::cat({at::zeros(size, parts[1].options()), parts[1]}, 2)};
}

}  // namespace cairn::nn

#include "cairn/nn/positions.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <string>

#include "cairn/error.h"

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

}  // namespace

at::Tensor sincos_axis(std::int64_t count, std::int64_t width) {
  const auto options = at::TensorOptions(at::kDouble);
  const std::int64_t half = width / 2;
  const at::Tensor frequency = at::pow(10000.0, at::arange(half, options) / -static_cast<double>(half));
  const at::Tensor angle = at::outer(at::arange(count, options), frequency);
  return at::cat({angle.sin(), angle.cos()}, 1);
}

at::Tensor sincos_grid(std::span<const std::int64_t> extent, std::int64_t width, PositionLayout layout) {
  const auto axes = static_cast<std::int64_t>(extent.size());
  const auto widths = axis_widths(axes, width, layout.uniform_power);
  std::vector<at::Tensor> parts;
  for (std::int64_t i = 0; i < axes; ++i) {
    const std::int64_t axis = axes == 2 && layout.order == PositionOrder::xy ? 1 - i : i;
    std::vector<std::int64_t> shape(axes + 1, 1), full(extent.begin(), extent.end());
    shape[axis] = extent[axis];
    shape.back() = widths[i];
    full.push_back(widths[i]);
    parts.push_back(sincos_axis(extent[axis], widths[i]).view(shape).expand(full));
  }
  const at::Tensor table = at::cat(parts, -1);
  return table.reshape({-1, table.size(-1)}).narrow(1, 0, width).to(at::kFloat).contiguous();
}

PositionTables::PositionTables(std::int64_t width, PositionLayout layout) : width_(width), layout_(layout) {}

const at::Tensor& PositionTables::table(const TokenGrid& grid, at::Device device) {
  at::Tensor& table = tables_[{grid.extent, {static_cast<int>(device.type()), device.index()}}];
  if (!table.defined()) {
    const c10::InferenceMode outside(false);  // a table first asked for under inference mode must serve training too
    table = sincos_grid(grid.extent, width_, layout_).to(device);
  }
  return table;
}

at::Tensor PositionTables::positions(const TokenGrid& grid, const TokenSet& tokens, at::Device device) {
  const at::Tensor& all = table(grid, device);
  if (tokens.all()) return all.unsqueeze(0);
  return all.index_select(0, tokens.index.reshape(-1)).view({tokens.index.size(0), tokens.index.size(1), width_});
}

}  // namespace cairn::nn

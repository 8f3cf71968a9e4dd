#include "places.h"

#include <ATen/ATen.h>

#include "cairn/error.h"

namespace cairn::transformer {

namespace {

nn::PositionLayout layout_of(const PlaceSetting& setting) {
  nn::PositionLayout layout = setting.layout;
  layout.is_flat = setting.form == Positions::sinusoid;
  return layout;
}

}  // namespace

Places::Places(const PlaceSetting& setting, const std::vector<ViewLayout>& views)
    : setting_(setting),
      fixed_(setting.width, layout_of(setting)),
      rotary_(setting.head_width, setting.rotary, setting.rotary_grid) {
  if (!views.empty()) made_for_ = views.front().grid;
  if (setting.form == Positions::learned) {
    if (views.empty())
      throw ConfigError("positions", "learned positions need to know the grid of a view", "set positions = \"sincos\"");
    table = at::empty({1, setting.leading + made_for_.count(), setting.width});
    return;
  }
  for (const ViewLayout& view : views) {  // wrong widths fail here
    if (setting.form == Positions::rotary) {
      rotary_.rotation(view.grid, {}, 0, at::kCPU);
    } else {
      fixed_.table(view.grid, at::kCPU);
    }
  }
}

at::Tensor Places::added(const TokenGrid& grid, const TokenSet& tokens, at::Device device) {
  if (setting_.form == Positions::rotary) return {};
  if (setting_.form != Positions::learned) return fixed_.positions(grid, tokens, device);
  const at::Tensor patches = table.narrow(1, setting_.leading, made_for_.count());
  return nn::learned_positions(patches, made_for_, grid, tokens, setting_.resize);
}

at::Tensor Places::leading() const {
  if (!table.defined() || setting_.leading == 0) return {};
  return table.narrow(1, 0, setting_.leading);
}

nn::Rotation Places::rotation(const TokenGrid& grid, const TokenSet& tokens, std::int64_t fixed, at::Device device) {
  if (setting_.form != Positions::rotary) return {};
  const bool is_own = setting_.numbering == Numbering::view || made_for_.extent.size() != grid.extent.size() ||
                      grid.extent == made_for_.extent;
  if (is_own) return rotary_.rotation(grid, tokens, fixed, device);
  // Ids run on where the first view's grid ends: its first axis grows.
  TokenGrid counted = made_for_;
  const std::int64_t layer = counted.count() / counted.extent.front();
  counted.extent.front() = (grid.count() + layer - 1) / layer;
  const TokenSet ids = tokens.all()
                           ? TokenSet{at::arange(grid.count(), at::TensorOptions(device).dtype(at::kLong)).unsqueeze(0)}
                           : tokens;
  return rotary_.rotation(counted, ids, fixed, device);
}

}  // namespace cairn::transformer

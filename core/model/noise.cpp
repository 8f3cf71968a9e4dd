#include "model/noise.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <numeric>

namespace cairn {

at::Tensor noise(const std::vector<std::int64_t>& shape) {
  const std::int64_t count = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  return at::arange(count, at::kDouble).square().sin().to(at::kFloat).view(shape);
}

View noise_view(const TokenizerSpec& spec, TokenGrid grid) {
  constexpr std::int64_t kLayers = 2;
  if (grid.extent.size() == 3) grid.extent.front() = std::min(grid.extent.front(), kLayers);
  std::vector<std::int64_t> size = {1, spec.channels};
  for (std::size_t i = 0; i < spec.patch.size(); ++i) size.push_back(spec.patch[i] * grid.extent.at(i));
  return {noise(size), grid, ViewRole::global};
}

}  // namespace cairn

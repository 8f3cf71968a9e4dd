#include "cairn/nn/tokens.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>
#include <vector>

#include "cairn/error.h"
#include "nn/mixed.h"

namespace cairn::nn {

at::Tensor gather_tokens(const at::Tensor& tokens, const TokenSet& set) {
  if (set.all()) return tokens;
  const std::int64_t rows = set.index.size(0), count = tokens.size(1);
  if (tokens.size(0) != rows)
    throw Error("token ids for " + std::to_string(rows) + " samples meet " + std::to_string(tokens.size(0)) +
                " samples");
  // Whole rows of a flat matrix: much faster than gather() with an expanded index, backward too.
  const at::Tensor first = at::arange(0, rows * count, count, set.index.options()).unsqueeze(1);
  return tokens.reshape({rows * count, -1})
      .index_select(0, (set.index + first).view(-1))
      .view({rows, -1, tokens.size(2)});
}

at::Tensor mean_tokens(const at::Tensor& tokens, const TokenSet& set) {
  if (!set.is_ragged()) return tokens.mean(1);
  const at::Tensor counts = at::tensor(set.lengths, at::kLong).to(tokens.device(), /*non_blocking=*/true);
  return tokens.sum(1) / counts.unsqueeze(1);
}

at::Tensor cut_patches(const at::Tensor& data, const TokenizerSpec& spec) {
  const auto axes = static_cast<std::int64_t>(spec.patch.size());
  const TokenGrid grid = spec.grid(data.sizes().slice(2).vec());
  std::vector<std::int64_t> split = {data.size(0), data.size(1)}, order = {0};
  for (std::int64_t a = 0; a < axes; ++a) {
    split.push_back(grid.extent[a]);
    split.push_back(spec.patch[a]);
    order.push_back(2 + 2 * a);
  }
  order.push_back(1);
  for (std::int64_t a = 0; a < axes; ++a) order.push_back(3 + 2 * a);
  return data.reshape(split).permute(order).reshape({data.size(0), grid.count(), spec.values()});
}

PatchEmbed::PatchEmbed(TokenizerSpec spec, std::int64_t width) : spec_(std::move(spec)) {
  weight = register_parameter("weight", at::zeros({width, spec_.values()}));
  bias = register_parameter("bias", at::zeros({width}));
}

PatchEmbed::~PatchEmbed() = default;

TokenGrid PatchEmbed::grid(const at::Tensor& data) const {
  const auto axes = static_cast<std::int64_t>(spec_.patch.size());
  if (data.dim() != 2 + axes || data.size(1) != spec_.channels)
    throw Error("a tensor with " + std::to_string(data.dim()) + " dimensions and " +
                    std::to_string(data.dim() > 1 ? data.size(1) : 0) + " channels came to a tokenizer of " +
                    std::to_string(axes) + " axes and " + std::to_string(spec_.channels) + " channels",
                "patch embedding", "views must be [B,C,...] with one dimension for each axis");
  return spec_.grid(data.sizes().slice(2).vec());
}

at::Tensor PatchEmbed::forward(const at::Tensor& data, const TokenSet& visible) {
  return linear(gather_tokens(cut_patches(data, spec_), visible), weight, bias);
}

}  // namespace cairn::nn

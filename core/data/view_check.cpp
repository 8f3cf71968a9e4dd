#include "data/view_check.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cairn/error.h"

namespace cairn {

std::vector<std::int64_t> view_shape(const TokenizerSpec& tokenizer, const TokenGrid& grid, std::int64_t batch) {
  std::vector<std::int64_t> shape = {batch, tokenizer.channels};
  for (std::size_t axis = 0; axis < grid.extent.size(); ++axis)
    shape.push_back(grid.extent[axis] * tokenizer.patch.at(axis));
  return shape;
}

void check_views(const Batch& batch, const Modality& modality) {
  const TokenizerSpec tokenizer = modality.tokenizer();
  for (const View& view : batch.views) {
    const std::vector<std::int64_t> expected = view_shape(tokenizer, view.grid, batch.size());
    if (view.data.scalar_type() == at::kFloat && view.data.sizes() == at::IntArrayRef(expected)) continue;
    throw Error(
        fmt::format("the modality prepared a view as {} [{}], and declares Float [{}]",
                    at::toString(view.data.scalar_type()), fmt::join(view.data.sizes(), ","), fmt::join(expected, ",")),
        "", "collate() and prepare() must give what tokenizer() and views() say; `cairn conform` tells more");
  }
}

}  // namespace cairn

#include "data/view_check.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "cairn/error.h"

namespace cairn {

void check_views(const Batch& batch, const Modality& modality) {
  const TokenizerSpec tokenizer = modality.tokenizer();
  for (const View& view : batch.views) {
    std::vector<std::int64_t> expected = {batch.size(), tokenizer.channels};
    for (std::size_t axis = 0; axis < view.grid.extent.size(); ++axis)
      expected.push_back(view.grid.extent[axis] * tokenizer.patch.at(axis));
    if (view.data.scalar_type() == at::kFloat && view.data.sizes() == at::IntArrayRef(expected)) continue;
    throw Error(
        fmt::format("the modality prepared a view as {} [{}], and declares Float [{}]",
                    at::toString(view.data.scalar_type()), fmt::join(view.data.sizes(), ","), fmt::join(expected, ",")),
        "", "collate() and prepare() must give what tokenizer() and views() say; `cairn conform` tells more");
  }
}

}  // namespace cairn

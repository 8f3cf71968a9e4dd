#include "evaluate/embedding.h"

#include <ATen/ATen.h>

#include <utility>

#include "cairn/error.h"

namespace cairn {

Embed branch_embedding(Branch& branch, std::vector<std::int64_t> segments) {
  if (segments.empty()) return [&branch](const View& view) { return branch.embed(view); };
  return [&branch, segments = std::move(segments)](const View& view) {
    const at::Tensor tokens = branch.encoder().encode(view, {}).tokens;  // [B,N,D]
    if (tokens.size(1) != view.grid.count())
      throw Error("evaluate.segments needs an encoder with one token for each patch", "",
                  "choose a transformer encoder, or evaluate.segments = []");
    const at::Tensor lattice = tokens.transpose(1, 2).unflatten(2, view.grid.extent);
    return average_to(lattice, segments).flatten(2).transpose(1, 2).flatten(1);
  };
}

}  // namespace cairn

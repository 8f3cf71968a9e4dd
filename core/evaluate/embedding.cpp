#include "evaluate/embedding.h"

#include <ATen/ATen.h>

#include <utility>

#include "cairn/error.h"

namespace cairn {

Embed branch_embedding(Branch& branch, std::vector<std::int64_t> segments) {
  if (segments.empty()) return [&branch](const View& view) { return branch.embed(view); };
  return [&branch, segments = std::move(segments)](const View& view) {
    const at::Tensor lattice = token_lattice(branch.look_at(view, {}).tokens, view.grid, "evaluate.segments needs");
    return average_to(lattice, segments).flatten(2).transpose(1, 2).flatten(1);
  };
}

at::Tensor token_lattice(const at::Tensor& tokens, const TokenGrid& grid, const std::string& who) {
  if (tokens.size(1) != grid.count())
    throw Error(who + " an encoder with one token for each patch", "", "choose a transformer encoder, or leave it out");
  return tokens.transpose(1, 2).unflatten(2, grid.extent);
}

}  // namespace cairn

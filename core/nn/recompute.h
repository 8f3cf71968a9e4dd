#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <functional>

#include "cairn/export.h"

namespace cairn::nn {

/// While it lives, transformer blocks of this thread keep only their inputs for the backward pass and compute the rest
/// again there (Chen et al. 2016): less memory, a second forward pass.
class CAIRN_API RecomputeBlocks {
 public:
  explicit RecomputeBlocks(bool enabled);
  ~RecomputeBlocks();
  RecomputeBlocks(const RecomputeBlocks&) = delete;
  RecomputeBlocks& operator=(const RecomputeBlocks&) = delete;

 private:
  bool former_;
};

/// Whether a block is to be recomputed: one lives, and gradients are recorded.
bool recomputes_blocks();

/// A residual stream's sum and its last branch, which may be undefined.
using Residual = std::array<at::Tensor, 2>;

/// work(inputs), with all but the inputs computed again in the backward pass, under the same autocast. `work` may draw
/// no random numbers. `learnt` is any parameter that it learns: the result has a gradient even if no input has.
Residual recomputed(const Residual& inputs, const at::Tensor& learnt, std::function<Residual(const Residual&)> work);

}  // namespace cairn::nn

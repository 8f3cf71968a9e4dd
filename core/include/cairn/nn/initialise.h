#pragma once

#include <torch/nn/module.h>

#include <cstdint>

#include "cairn/export.h"
#include "cairn/nn/block.h"

namespace cairn::nn {

/// How weights start. `jepa`: normal of deviation 0.02, cut at -2 and 2. `xavier`: uniform in
/// +-sqrt(6 / (inputs + outputs)) (Glorot & Bengio 2010), the patch embedding as a linear map like any other.
enum class Init : std::uint8_t { jepa, xavier };

/// Fills `weight` with the truncated normal of `Init::jepa`, from torch's default generator.
CAIRN_API void fill_normal(at::Tensor weight);

/// Initialises every linear map, patch embedding and layer norm below `root`: weights as `init` says, biases 0,
/// norms 1.
CAIRN_API void initialise(const torch::nn::Module& root, Init init);

/// Divides the last weight of both branches of block l = 1, 2, ... by sqrt(2 l), as V-JEPA 2 does.
CAIRN_API void rescale_by_depth(const Blocks& blocks);

}  // namespace cairn::nn

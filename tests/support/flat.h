#pragma once

#include <torch/nn/module.h>

#include <utility>
#include <vector>

#include "model/flat_parameters.h"

namespace cairn::test {

/// All parameters of `module` laid out flat with their gradients, as a training step has them.
inline FlatParameters flattened(torch::nn::Module& module, at::Device device) {
  std::vector<FlatItem> items;
  for (const auto& parameter : module.named_parameters())
    items.push_back({parameter.key(), parameter.value(), false, true, -1});
  return FlatParameters(std::move(items), device, /*with_gradients=*/true);
}

}  // namespace cairn::test

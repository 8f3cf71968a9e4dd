#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cairn/export.h"

namespace cairn {

using NamedModules = std::vector<std::pair<std::string, std::shared_ptr<torch::nn::Module>>>;
using NamedTensors = std::map<std::string, at::Tensor>;

/// Every parameter and persistent buffer of the modules under its full name; the tensors are the live ones.
CAIRN_API NamedTensors named_state(const NamedModules& modules);

/// The tensors whose names begin with `head`, without it.
CAIRN_API NamedTensors below(const NamedTensors& state, const std::string& head);

/// Copies `source` into `state`. Nothing is copied and an Error reports every missing, unexpected and misshapen name
/// unless the two hold the same names and shapes. `what` names the source in that report.
CAIRN_API void load_named_state(const NamedTensors& state, const NamedTensors& source, const std::string& what);

}  // namespace cairn

#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace cairn::nn {

/// What may be undefined, as ATen's operators and autograd's functions take it.
using MaybeTensor = std::optional<at::Tensor>;

inline MaybeTensor present(const at::Tensor& x) { return x.defined() ? MaybeTensor(x) : std::nullopt; }

}  // namespace cairn::nn

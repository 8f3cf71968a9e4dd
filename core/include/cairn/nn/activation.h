#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "cairn/export.h"
#include "cairn/options.h"

namespace cairn::nn {

/// What stands between two linear maps: gelu is exact, gelu_tanh its approximation by tanh, and quick_gelu the one by
/// x sigmoid(1.702 x) (Hendrycks & Gimpel 2016).
enum class Activation : std::uint8_t { relu, gelu, gelu_tanh, quick_gelu, silu, tanh, sigmoid };

/// Their names in options.
inline constexpr Choices<Activation> kActivations = {
    {"relu", Activation::relu},           {"gelu", Activation::gelu},
    {"gelu_tanh", Activation::gelu_tanh}, {"quick_gelu", Activation::quick_gelu},
    {"silu", Activation::silu},           {"tanh", Activation::tanh},
    {"sigmoid", Activation::sigmoid}};

/// The activation of every value of `x`, in its shape.
CAIRN_API at::Tensor activate(const at::Tensor& x, Activation activation);

}  // namespace cairn::nn

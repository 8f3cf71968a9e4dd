#include "cairn/nn/activation.h"

#include <ATen/ATen.h>

namespace cairn::nn {

at::Tensor activate(const at::Tensor& x, Activation activation) {
  constexpr double kQuick = 1.702;
  switch (activation) {
    case Activation::relu:
      return at::relu(x);
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::quick_gelu:
      return x * at::sigmoid(x * kQuick);
    case Activation::silu:
      return at::silu(x);
    case Activation::tanh:
      return at::tanh(x);
    case Activation::sigmoid:
      return at::sigmoid(x);
  }
  return x;
}

}  // namespace cairn::nn

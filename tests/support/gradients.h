#pragma once

#include <ATen/ATen.h>
#include <torch/nn/module.h>

#include <map>
#include <string>

namespace cairn::test {

/// The output of `pass` over `input`, and by name every gradient of its sum weighted by `weight`.
template <class Pass>
std::map<std::string, at::Tensor> gradients(torch::nn::Module& module, const at::Tensor& input,
                                            const at::Tensor& weight, const Pass& pass) {
  module.zero_grad(/*set_to_none=*/true);
  const at::Tensor x = input.detach().clone().requires_grad_(true);
  const at::Tensor out = pass(x);
  (out * weight.to(out.scalar_type())).sum().backward();
  std::map<std::string, at::Tensor> found = {{"output", out.detach()}, {"input", x.grad()}};
  for (const auto& parameter : module.named_parameters()) found[parameter.key()] = parameter.value().grad();
  return found;
}

/// |a - b| / |b| in float64.
inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.to(at::kCPU, at::kDouble), y = b.to(at::kCPU, at::kDouble);
  return ((x - y).norm() / y.norm()).item<double>();
}

}  // namespace cairn::test

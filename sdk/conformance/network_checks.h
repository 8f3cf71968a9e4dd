#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "conformance/findings.h"

namespace cairn::conformance {

/// A network under test: how it is built, and all it answers to one fixed input, which lies on the device given.
struct Network {
  std::function<std::shared_ptr<torch::nn::Module>()> build;
  std::function<std::vector<at::Tensor>(torch::nn::Module&, at::Device)> answer;
};

/// "3 x 16".
std::string shape_text(at::IntArrayRef sizes);

/// Largest |a - b| over the largest |b|.
double relative_error(const at::Tensor& a, const at::Tensor& b);

/// What every network must do: the same answer to the same input, all of its state in parameters and buffers, a
/// gradient for every parameter, and much the same answers under bfloat16 and on a GPU.
void check_network(const Network& network, Findings& findings);

}  // namespace cairn::conformance

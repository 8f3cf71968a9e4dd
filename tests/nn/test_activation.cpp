#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "cairn/nn/activation.h"
#include "cairn/nn/block.h"

namespace {

using namespace cairn::nn;

double logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }

TEST_CASE("activations are their formulas") {
  struct Formula {
    Activation activation;
    std::function<double(double)> value;
  };
  const std::vector<Formula> formulas = {
      {Activation::relu, [](double x) { return x > 0 ? x : 0.0; }},
      {Activation::gelu, [](double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }},
      {Activation::gelu_tanh,
       [](double x) { return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x))); }},
      {Activation::quick_gelu, [](double x) { return x * logistic(1.702 * x); }},
      {Activation::silu, [](double x) { return x * logistic(x); }},
      {Activation::tanh, [](double x) { return std::tanh(x); }},
      {Activation::sigmoid, logistic}};
  CHECK(formulas.size() == kActivations.size());
  const at::Tensor x = at::linspace(-6.0, 6.0, 49, at::kDouble);
  for (const auto& [activation, value] : formulas) {
    const at::Tensor found = activate(x, activation);
    for (std::int64_t i = 0; i < x.size(0); ++i)
      CHECK(found[i].item<double>() == Approx(value(x[i].item<double>())).margin(1e-12));
  }
}

TEST_CASE("an MLP has the activation it is told, and SwiGLU its own") {
  at::manual_seed(3);
  const at::Tensor x = at::randn({2, 5, 8});
  Mlp plain(8, 16, /*gated=*/false, Activation::relu), gated(8, 16, /*gated=*/true, Activation::relu);
  CHECK(plain.forward(x).allclose(plain.fc2(plain.fc1(x).relu())));
  CHECK(gated.forward(x).allclose(gated.fc2(at::silu(gated.fc1(x)) * gated.gate(x))));
}

}  // namespace

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <limits>
#include <vector>

#include "cairn/nn/block.h"
#include "nn/autocast.h"
#include "nn/cpu_passes.h"
#include "nn/recompute.h"
#include "nn/training_pass.h"
#include "support/devices.h"
#include "support/flat.h"
#include "support/gradients.h"

using namespace cairn;
using namespace cairn::test;

namespace {

/// Of two blocks, over `samples` of `count` tokens.
void compare(at::Device device, std::int64_t width, bool gated, std::int64_t from, std::int64_t samples = 3,
             std::int64_t count = 17) {
  CAPTURE(device.str(), width, gated, from, samples, count);
  at::manual_seed(width + from);
  nn::BlockOptions options;
  options.width = width;
  options.heads = width / 32;
  options.hidden = 4 * width;
  options.gated = gated;
  nn::Blocks blocks(options, 2);
  // Norms that do something.
  for (auto& parameter : blocks.named_parameters())
    if (parameter.key().find("norm") != std::string::npos) {
      const at::NoGradGuard no_grad;
      parameter.value().add_(0.3 * at::randn_like(parameter.value()));
    }
  const at::Tensor x = 2 * at::randn({samples, count, width}) + 0.5, weight = at::randn({samples, count - from, width});
  blocks.to(at::kDouble);
  const auto pass = [&](const at::Tensor& input) { return blocks.forward(input, from); };
  const auto expected = gradients(blocks, x.to(at::kDouble), weight, pass);
  blocks.to(at::kFloat);
  blocks.to(device);
  const at::Tensor here = x.to(device);
  const Autocast mixed(device.type(), true);
  const auto found = gradients(blocks, here, weight.to(device), pass);
  for (const auto& [name, value] : expected) {
    CAPTURE(name);
    REQUIRE(found.contains(name));
    CHECK(found.at(name).scalar_type() == at::kFloat);
    CHECK(found.at(name).is_contiguous());
    CHECK(relative_error(found.at(name), value) < 0.02);
  }
  // An input that wants no gradient leaves those of the weights as they are.
  blocks.zero_grad(/*set_to_none=*/true);
  (blocks.forward(here, from) * weight.to(device)).sum().backward();
  for (const auto& parameter : blocks.named_parameters())
    CHECK(relative_error(parameter.value().grad(), expected.at(parameter.key())) < 0.02);
  {
    const at::NoGradGuard no_grad;
    CHECK(relative_error(blocks.forward(here, from), expected.at("output")) < 0.01);
  }

  // As a training step has them: flat, and added to what is there.
  FlatParameters flat = flattened(blocks, device);
  flat.cast_half();
  using Copies = nn::TrainingPass::Copies;
  for (const double times : {1.0, 2.0}) {
    const nn::TrainingPass training(std::make_shared<const Copies>(Copies{{flat.values(), flat.half()}}));
    const nn::RecomputeBlocks recompute(times > 1);
    (blocks.forward(here, from) * weight.to(device)).sum().backward();
    for (const auto& parameter : blocks.named_parameters()) {
      CAPTURE(times, parameter.key());
      CHECK(parameter.value().grad().is_alias_of(flat.gradients()));
      CHECK(relative_error(parameter.value().grad(), times * expected.at(parameter.key())) < 0.02);
    }
  }
}

}  // namespace

TEST_CASE("mixed precision: biases learn behind frozen weights") {
  nn::BlockOptions options;
  options.width = 16, options.heads = 2, options.hidden = 32;
  nn::Blocks blocks(options, 1);
  for (auto& parameter : blocks.named_parameters())
    parameter.value().set_requires_grad(parameter.key().find("weight") == std::string::npos);
  const Autocast mixed(at::kCPU, true);
  blocks.forward(at::randn({2, 5, 16})).square().sum().backward();
  for (const auto& parameter : blocks.named_parameters()) {
    CAPTURE(parameter.key());
    if (!parameter.value().requires_grad()) continue;
    REQUIRE(parameter.value().grad().defined());
    CHECK(parameter.value().grad().abs().sum().item<float>() > 0);
  }
}

TEST_CASE("mixed precision: attention of one token to itself gives its values' bits, whatever they are") {
  const at::Tensor x = at::tensor({1.0F}).view({1, 1, 1}).expand({64, 1, 1}).contiguous();
  const at::Tensor weight = at::ones({3, 1});
  for (const float value : {1.0F, -0.0F, 1.00390625F, 3e38F, 1e-39F, -std::numeric_limits<float>::infinity()}) {
    const at::Tensor bias = at::tensor({0.0F, 0.0F, value});
    const Autocast mixed(at::kCPU, true);
    const at::Tensor out = nn::cpu_attention(0 * x, weight, bias, 1);
    CAPTURE(value);
    CHECK(out.scalar_type() == at::kBFloat16);
    CHECK(at::equal(out, at::full_like(out, value)));
  }
  const Autocast mixed(at::kCPU, true);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(nn::cpu_attention(0 * x, weight, at::tensor({0.0F, 0.0F, nan}), 1).isnan().all().item<bool>());
}

TEST_CASE("mixed precision: attention's frozen weight has no gradient, its bias has") {
  nn::BlockOptions options;
  options.width = 16, options.heads = 2;
  nn::Attention attention(options);
  attention.qkv->weight.set_requires_grad(false);
  const Autocast mixed(at::kCPU, true);
  attention.forward(at::randn({2, 5, 16})).square().sum().backward();
  CHECK_FALSE(attention.qkv->weight.grad().defined());
  CHECK(attention.qkv->bias.grad().abs().sum().item<float>() > 0);
}

TEST_CASE("mixed precision: a branch's gradient is the stream's, rounded") {
  torch::nn::LayerNorm norm(torch::nn::LayerNormOptions({6}));
  const Autocast mixed(at::kCPU, true);
  const at::Tensor x = at::randn({2, 3, 6}).requires_grad_(true);
  const at::Tensor branch = at::randn({2, 3, 6}).to(at::kBFloat16).requires_grad_(true);
  (nn::cpu_add_norm(x, {branch, {}}, norm).normed * at::randn({2, 3, 6})).sum().backward();
  CHECK(x.grad().abs().sum().item<float>() > 0);
  CHECK(at::equal(branch.grad(), x.grad().to(at::kBFloat16)));
}

TEST_CASE("mixed precision: blocks give float64's outputs and gradients to bfloat16's rounding", "[devices]") {
  for (const at::Device device : test::devices()) {
    if (device.is_cuda()) {
      // Rows of one warp and of four, to the widest that has a kernel.
      for (const std::int64_t width : {384, 768, 1024, 1280, 1664, 2048}) compare(device, width, false, 0);
      // More rows than all blocks have threads for at once.
      compare(device, 384, false, 0, 24, 197);
    }
    compare(device, 64, false, 0);
    compare(device, 192, true, 0);
    compare(device, 96, false, 5);
  }
}

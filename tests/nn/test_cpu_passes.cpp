#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "cairn/nn/block.h"
#include "nn/autocast.h"
#include "nn/cpu_passes.h"
#include "nn/cpu_product.h"
#include "nn/training_pass.h"
#include "support/flat.h"
#include "support/gradients.h"
#include "support/threads.h"

using namespace cairn;
using namespace cairn::test;

namespace {

/// How an attention is compared.
struct Comparison {
  double sharpness = 1;
  double tolerance = 5e-6;
  bool has_bias = true;
  bool is_mixed = false;
  std::int64_t width = 24;
};

/// Attention of `samples` of `count` tokens in float32 or mixed precision beside the plain operators in float64.
void compare_attention(std::int64_t samples, std::int64_t count, const Comparison& as = {}) {
  CAPTURE(samples, count, as.sharpness, as.has_bias, as.is_mixed);
  at::manual_seed(count);
  nn::BlockOptions options;
  options.width = as.width, options.heads = 3, options.qkv_bias = as.has_bias;
  nn::Attention attention(options);
  const at::Tensor x = as.sharpness * at::randn({samples, count, as.width}),
                   weight = at::randn({samples, count, as.width});
  const auto pass = [&](const at::Tensor& input) { return attention.forward(input); };
  const auto found = [&] {
    const Autocast mixed(at::kCPU, as.is_mixed);
    REQUIRE(nn::has_cpu_attention(x));
    REQUIRE_FALSE(nn::has_cpu_attention(x.to(at::kDouble)));
    const auto all = gradients(attention, x, weight, pass);
    const at::NoGradGuard no_grad;
    CHECK(at::equal(pass(x), all.at("output")));
    return all;
  }();
  attention.to(at::kDouble);
  for (const auto& [name, value] : gradients(attention, x.to(at::kDouble), weight, pass)) {
    CAPTURE(name);
    CHECK(relative_error(found.at(name), value) < as.tolerance);
  }
}

}  // namespace

TEST_CASE("attention on the CPU gives float64's outputs and gradients, tile by tile too") {
  compare_attention(3, 17);
  compare_attention(3, 17, {.has_bias = false});
  compare_attention(1, 1);
  compare_attention(2, 300);   // two tiles, the last one smaller
  compare_attention(1, 1100);  // many
  // Almost all of the weight on one token: scores of hundreds, whose own rounding is felt.
  compare_attention(2, 40, {.sharpness = 30, .tolerance = 1e-4});
}

TEST_CASE("mixed precision: attention on the CPU gives float64's outputs and gradients to bfloat16's rounding") {
  for (const bool has_bias : {true, false})
    for (const auto& [samples, count] : std::vector<std::array<std::int64_t, 2>>{{3, 17}, {1, 1}, {2, 300}, {1, 1100}})
      compare_attention(samples, count, {.tolerance = 0.015, .has_bias = has_bias, .is_mixed = true, .width = 48});
  // Heads that products of bfloat16 fill up, and ones of an odd width.
  for (const std::int64_t width : {72, 192, 240, 51})
    compare_attention(2, 40, {.tolerance = 0.015, .is_mixed = true, .width = width});
}

TEST_CASE("attention on the CPU: gradients stay as small as PyTorch's however large the scores") {
  at::manual_seed(3);
  nn::BlockOptions options;
  options.width = 16, options.heads = 2;
  nn::Attention attention(options);
  const at::Tensor x = 1e6 * at::randn({2, 9, 16}), weight = at::randn({2, 9, 16});
  const auto found = gradients(attention, x, weight, [&](const at::Tensor& input) { return attention.forward(input); });
  const auto plain = gradients(attention, x, weight, [&](const at::Tensor& input) {
    const auto parts = attention.qkv(input).view({2, 9, 3, 2, 8}).permute({2, 0, 3, 1, 4}).unbind(0);
    const at::Tensor mixed = at::scaled_dot_product_attention(parts[0], parts[1], parts[2]);
    return attention.projection(mixed.transpose(1, 2).reshape({2, 9, 16}));
  });
  for (const auto& [name, value] : plain) {
    CAPTURE(name);
    CHECK(found.at(name).abs().max().item<float>() < 1.5 * value.abs().max().item<float>() + 1);
  }
}

TEST_CASE("attention on the CPU keeps samples apart, and what is not finite shows") {
  const Autocast mixed(at::kCPU, GENERATE(false, true));
  nn::BlockOptions options;
  options.width = 16, options.heads = 2;
  nn::Attention attention(options);
  const at::Tensor x = at::randn({2, 9, 16});
  x[1][4][3] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor out = attention.forward(x);
  CHECK(out[0].isfinite().all().item<bool>());
  CHECK_FALSE(out[1].isfinite().any().item<bool>());
}

TEST_CASE("GELU on the CPU gives float64's values and gradients, in mixed precision to its rounding") {
  at::manual_seed(0);
  for (const auto& [rows, in, out] : std::vector<std::array<std::int64_t, 3>>{{1, 1, 1}, {300, 24, 96}, {129, 7, 33}})
    for (const bool is_mixed : {false, true}) {
      CAPTURE(rows, in, out, is_mixed);
      torch::nn::Linear map(in, out);
      const at::Tensor x = 3 * at::randn({rows, in}), weight = at::randn({rows, out});
      const auto found = [&] {
        const Autocast mixed(at::kCPU, is_mixed);
        const auto pass = [&](const at::Tensor& input) { return nn::cpu_linear_gelu(input, map); };
        const auto all = gradients(*map, x, weight, pass);
        const at::NoGradGuard no_grad;
        CHECK(at::equal(pass(x), all.at("output")));
        return all;
      }();
      CHECK(found.at("output").scalar_type() == (is_mixed ? at::kBFloat16 : at::kFloat));
      CHECK(found.at("weight").scalar_type() == at::kFloat);
      map->to(at::kDouble);
      for (const auto& [name, value] : gradients(*map, x.to(at::kDouble), weight, [&](const at::Tensor& input) {
             return at::gelu(at::linear(input, map->weight, map->bias));
           })) {
        CAPTURE(name);
        CHECK(found.at(name).sizes() == value.sizes());
        CHECK(relative_error(found.at(name), value) < (is_mixed ? 0.015 : 2e-6));
      }
    }
}

TEST_CASE("GELU on the CPU is as near as PyTorch's over the whole range") {
  const at::NoGradGuard no_grad;
  torch::nn::Linear same(1, 1);
  same->weight.fill_(1);
  same->bias.zero_();
  const at::Tensor x = at::cat({at::linspace(-14, 14, 100'001), at::tensor({-1e4F, 1e4F, -80.0F, 80.0F, 0.0F})});
  const at::Tensor exact = at::gelu(x.to(at::kDouble));
  const at::Tensor off = (nn::cpu_linear_gelu(x.unsqueeze(1), same).squeeze(1).to(at::kDouble) - exact).abs();
  CHECK((off / (exact.abs() + 0.1)).max().item<double>() < 6e-7);
  const auto of = [&](float value) { return nn::cpu_linear_gelu(at::full({1, 1}, value), same).item<float>(); };
  CHECK(of(std::numeric_limits<float>::infinity()) == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(of(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("GELU on the CPU: only what learns has a gradient") {
  torch::nn::Linear map(4, 8);
  const at::Tensor x = at::randn({2, 3, 4});
  map->weight.set_requires_grad(false);
  nn::cpu_linear_gelu(x, map).sum().backward();
  CHECK_FALSE(map->weight.grad().defined());
  CHECK(map->bias.grad().abs().sum().item<float>() > 0);
  map->bias.set_requires_grad(false);
  CHECK_FALSE(nn::cpu_linear_gelu(x, map).requires_grad());
}

TEST_CASE("GELU on the CPU writes over no gradient that somebody holds") {
  torch::nn::Linear map(4, 8);
  const at::Tensor x = at::randn({5, 4}), weight = at::randn({5, 8});
  const at::Tensor out = nn::cpu_linear_gelu(x, map);
  out.retain_grad();
  (2 * (out * weight)).sum().backward();
  CHECK(at::equal(out.grad(), 2 * weight));
  const at::Tensor given = weight.clone();
  nn::cpu_linear_gelu(x, map).backward(given);
  CHECK(at::equal(given, weight));
}

TEST_CASE("residual sum and norm on the CPU give float64's values and gradients, in mixed precision to its rounding") {
  for (const auto& [rows, width] : std::vector<std::array<std::int64_t, 2>>{{1, 2}, {3, 7}, {300, 192}})
    for (const bool has_branch : {true, false})
      for (const bool is_mixed : {false, true}) {
        CAPTURE(rows, width, has_branch, is_mixed);
        at::manual_seed(rows);
        torch::nn::LayerNorm norm(torch::nn::LayerNormOptions({width}).eps(1e-6));
        {
          const at::NoGradGuard no_grad;
          norm->weight.normal_(1, 0.3), norm->bias.normal_();
        }
        const at::Tensor x = 3 * at::randn({2, rows, width}) + 10, branch = at::randn_like(x),
                         shift = norm->bias.detach().clone();
        const at::Tensor weight = at::randn({2, 2, rows, width});
        const auto found = [&] {
          const Autocast mixed(at::kCPU, is_mixed);
          return gradients(*norm, x, weight, [&](const at::Tensor& input) {
            const nn::Branch added = has_branch ? nn::Branch{branch * input, shift} : nn::Branch{};
            const auto [sum, normed] = nn::cpu_add_norm(input, added, norm);
            CHECK(sum.scalar_type() == at::kFloat);
            CHECK(normed.scalar_type() == (is_mixed ? at::kBFloat16 : at::kFloat));
            return at::stack({sum, normed.to(at::kFloat)});
          });
        }();
        norm->to(at::kDouble);
        for (const auto& [name, value] : gradients(*norm, x.to(at::kDouble), weight, [&](const at::Tensor& input) {
               const at::Tensor sum = has_branch ? input + branch * input + shift : input;
               return at::stack({sum, norm(sum)});
             })) {
          CAPTURE(name);
          CHECK(relative_error(found.at(name), value) < (is_mixed ? 0.005 : 1e-5));
        }
      }
}

TEST_CASE("a norm on the CPU of which only one output is used") {
  torch::nn::LayerNorm norm(torch::nn::LayerNormOptions({6}));
  const at::Tensor branch = at::randn({2, 3, 6});
  const at::Tensor x = at::randn({2, 3, 6}).requires_grad_(true);
  nn::cpu_add_norm(x, {branch, {}}, norm).sum.sum().backward();
  CHECK(at::allclose(x.grad(), at::ones_like(x)));
  CHECK(norm->weight.grad().abs().sum().item<float>() == 0);
  x.mutable_grad().zero_();
  (nn::cpu_add_norm(x, {branch, {}}, norm).normed * branch).sum().backward();
  CHECK(x.grad().abs().sum().item<float>() > 0);
  CHECK(norm->weight.grad().abs().sum().item<float>() > 0);
}

TEST_CASE("products on the CPU are float64's, small and large, in either precision and under autocast") {
  at::manual_seed(0);
  // From 128 rows on bfloat16 has kernels of its own: tiles of 64 rows and 256 columns, sums over 512 rows.
  for (const auto& [rows, in, out] : std::vector<std::array<std::int64_t, 3>>{
           {1, 1, 1}, {5, 7, 3}, {2000, 192, 576}, {129, 32, 64}, {513, 320, 96}, {1025, 64, 544}, {300, 72, 64}})
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16})
      for (const bool is_mixed : {false, true}) {
        CAPTURE(rows, in, out, at::toString(type), is_mixed);
        const at::Tensor x = at::randn({rows, in}).to(type), weight = at::randn({out, in}).to(type);
        const at::Tensor bias = at::randn({out}), of_out = at::randn({rows, out}).to(type);
        const at::Tensor start = at::randn({out, in});
        const auto exact = [](const at::Tensor& t) { return t.to(at::kDouble); };
        const at::Tensor product = at::mm(exact(x), exact(weight).t()), of_x = at::mm(exact(of_out), exact(weight));
        const at::Tensor of_weight = at::mm(exact(of_out).t(), exact(x));
        const double tolerance = type == at::kFloat ? 1e-6 : 5e-3;

        const Autocast mixed(at::kCPU, is_mixed);
        CHECK(relative_error(nn::cpu_product(x, weight), product) < tolerance);
        CHECK(relative_error(nn::cpu_product(x, weight, bias), product + bias) < tolerance);
        CHECK(relative_error(nn::cpu_product(x, weight.t().contiguous().t()), product) < tolerance);
        CHECK(relative_error(nn::cpu_input_gradient(of_out, weight), of_x) < tolerance);
        CHECK(relative_error(nn::cpu_weight_gradient({}, of_out, x), of_weight) < tolerance);
        const at::Tensor sum = start.clone();
        CHECK_FALSE(nn::cpu_weight_gradient(sum, of_out, x).defined());
        CHECK(relative_error(sum, start + of_weight) < tolerance);
        CHECK(nn::cpu_product(x, weight, bias).scalar_type() == type);
        CHECK(nn::cpu_input_gradient(of_out, weight).scalar_type() == type);
        CHECK(nn::cpu_weight_gradient({}, of_out, x).scalar_type() == at::kFloat);
      }
}

TEST_CASE("products in bfloat16 are the same for any number of threads, and read no more than they are given") {
  at::manual_seed(1);
  const auto random = [](std::int64_t rows, std::int64_t width) {
    // Between what is not a number, which a sum that reaches too far would show.
    const at::Tensor around = at::full({rows + 2, width}, std::numeric_limits<float>::quiet_NaN()).to(at::kBFloat16);
    return around.narrow(0, 1, rows).copy_(at::randn({rows, width}));
  };
  const at::Tensor x = random(517, 288), weight = random(352, 288), of_out = random(517, 352), bias = at::randn({352});
  const auto all = [&](int threads) {
    const Threads used(threads);
    return std::array{nn::cpu_product(x, weight, bias), nn::cpu_input_gradient(of_out, weight),
                      nn::cpu_weight_gradient({}, of_out, x)};
  };
  const auto alone = all(1);
  for (const at::Tensor& each : alone) CHECK(at::isfinite(each).all().item<bool>());
  for (const int threads : {2, 3, 5}) {
    const auto together = all(threads);
    for (std::size_t i = 0; i < alone.size(); ++i) CHECK(at::equal(alone[i], together[i]));
  }
}

TEST_CASE("layers of a training pass add their gradients where they lie") {
  at::manual_seed(5);
  nn::BlockOptions options;
  options.width = 24, options.heads = 3, options.hidden = 72;
  nn::Blocks blocks(options, 2);
  const at::Tensor x = at::randn({2, 9, 24}), weight = at::randn({2, 9, 24});
  const auto pass = [&](const at::Tensor& input) { return blocks.forward(input); };
  const auto plain = gradients(blocks, x, weight, pass);
  const FlatParameters flat = flattened(blocks, at::kCPU);
  for (const double times : {1.0, 2.0}) {
    const nn::TrainingPass training(std::make_shared<const nn::TrainingPass::Copies>());
    (blocks.forward(x) * weight).sum().backward();
    for (const auto& parameter : blocks.named_parameters()) {
      CAPTURE(times, parameter.key());
      CHECK(parameter.value().grad().is_alias_of(flat.gradients()));
      CHECK(relative_error(parameter.value().grad(), times * plain.at(parameter.key())) < 1e-6);
    }
  }
}

TEST_CASE("layers of a training pass leave the gradients of what is frozen alone") {
  nn::BlockOptions options;
  options.width = 16, options.heads = 2, options.hidden = 32;
  nn::Blocks blocks(options, 1);
  for (auto& parameter : blocks.named_parameters()) {
    parameter.value().mutable_grad() = at::zeros_like(parameter.value());
    parameter.value().set_requires_grad(parameter.key().find("weight") == std::string::npos);
  }
  const nn::TrainingPass training(std::make_shared<const nn::TrainingPass::Copies>());
  blocks.forward(at::randn({2, 5, 16})).square().sum().backward();
  for (const auto& parameter : blocks.named_parameters()) {
    CAPTURE(parameter.key());
    CHECK((parameter.value().grad().abs().sum().item<float>() > 0) == parameter.value().requires_grad());
  }
}

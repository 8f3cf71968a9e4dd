#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "kernels/adamw.h"
#include "kernels/bfloat16_bits.h"

using cairn::kernels::adamw;
using cairn::kernels::AdamwRates;
using cairn::kernels::AdamwState;
using cairn::kernels::narrowed_by_chance;
using cairn::kernels::widened;

namespace {

constexpr std::int64_t kLength = 40'003;  // several threads' worth, and no multiple of a vector
constexpr std::uint32_t kChances = 1U << 16U;

float rounded(float value, std::uint32_t chance) { return widened(narrowed_by_chance(value, chance)); }

/// Of zeros, with this gradient everywhere.
AdamwState resting_state(const at::Tensor& gradients, at::ScalarType moments) {
  return {at::zeros({kLength}), gradients.clone(), at::zeros({kLength}, moments), at::zeros({kLength}, moments), {}};
}

double average(const at::Tensor& x) { return x.to(at::kDouble).mean().item<double>(); }

/// What `moments` of bfloat16 miss of the values before they were rounded, in shares of these.
at::Tensor errors(const at::Tensor& moments, const at::Tensor& exact) {
  return moments.to(at::kDouble) / exact.to(at::kDouble) - 1;
}

double correlation(const at::Tensor& a, const at::Tensor& b) {
  return at::corrcoef(at::stack({a, b}))[0][1].item<double>();
}

}  // namespace

TEST_CASE("a value rounded by chance is one of its neighbours, and on average the value", "[kernels]") {
  for (const float value : {1.00123F, -3.14159F, 0.1F, 6.1e-39F, -1e-40F, 3e38F, 1.0F, 0.0F, -2.5F}) {
    CAPTURE(value);
    double sum = 0;
    for (std::uint32_t chance = 0; chance < kChances; ++chance) sum += rounded(value, chance);
    CHECK(sum / kChances == value);
    const float low = rounded(value, 0), high = rounded(value, kChances - 1);
    CHECK(std::abs(low) <= std::abs(value));
    CHECK(std::abs(high) >= std::abs(value));
    CHECK(std::abs(std::bit_cast<std::int32_t>(high) - std::bit_cast<std::int32_t>(low)) <= std::int32_t{1} << 16);
  }
}

TEST_CASE("rounding by chance makes nothing infinite, and leaves what is", "[kernels]") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kLargest = std::numeric_limits<float>::max();
  for (const std::uint32_t chance : {0U, kChances / 2, kChances - 1}) {
    CHECK(std::isfinite(rounded(kLargest, chance)));
    CHECK(std::isfinite(rounded(-kLargest, chance)));
    CHECK(rounded(kInfinity, chance) == kInfinity);
    CHECK(rounded(-kInfinity, chance) == -kInfinity);
    CHECK(std::isnan(rounded(std::numeric_limits<float>::quiet_NaN(), chance)));
    CHECK(std::signbit(rounded(-0.0F, chance)));
  }
}

TEST_CASE("moments of bfloat16 follow a constant gradient, where the nearest would freeze the second", "[kernels]") {
  constexpr int kUpdates = 1000;
  const at::Tensor gradients = at::full({kLength}, 1.37e-3F);
  const AdamwState by_chance = resting_state(gradients, at::kBFloat16), nearest = resting_state(gradients, at::kFloat);
  AdamwRates rates{.lr = 0, .betas = {0.9, 0.999}};
  for (rates.step = 1; rates.step <= kUpdates; ++rates.step)
    for (const AdamwState* state : {&by_chance, &nearest}) {
      adamw(*state, rates, at::ones({}));
      state->gradients.copy_(gradients);
      nearest.second.copy_(nearest.second.to(at::kBFloat16));
    }
  const double square = std::pow(gradients[0].item<double>(), 2), second = square * (1 - std::pow(0.999, kUpdates));
  CHECK(average(by_chance.second) == Approx(second).epsilon(2e-3));
  CHECK(by_chance.second.to(at::kDouble).std().item<double>() < 0.1 * second);
  CHECK(average(by_chance.first) == Approx(gradients[0].item<double>()).epsilon(1e-4));
  CHECK(average(nearest.second) < 0.7 * second);
}

TEST_CASE("moments of bfloat16 have no bias, and errors that are independent of each other", "[kernels]") {
  at::manual_seed(5);
  const at::Tensor gradients = at::randn({kLength}).abs() + 0.1;
  AdamwState now = resting_state(gradients, at::kBFloat16), later = resting_state(gradients, at::kBFloat16);
  const AdamwState exact = resting_state(gradients, at::kFloat);
  // Bias correction has no part in the moments.
  adamw(now, {.lr = 0, .step = 1}, at::ones({}));
  adamw(later, {.lr = 0, .step = 2}, at::ones({}));
  adamw(exact, {.lr = 0, .step = 1}, at::ones({}));
  const at::Tensor first = errors(now.first, exact.first), second = errors(now.second, exact.second);
  CHECK(first.abs().max().item<double>() < 1.0 / 128);
  CHECK(second.abs().max().item<double>() < 1.0 / 128);
  CHECK(std::abs(average(first)) < 1e-4);
  CHECK(std::abs(average(second)) < 1e-4);
  CHECK(std::abs(correlation(first, second)) < 0.02);
  CHECK(std::abs(correlation(first, errors(later.first, exact.first))) < 0.02);
  CHECK(std::abs(correlation(second, errors(later.second, exact.second))) < 0.02);
  CHECK(std::abs(correlation(first.slice(0, 0, kLength - 1), first.slice(0, 1))) < 0.02);
}

TEST_CASE("moments of bfloat16 are the same however the memory is cut", "[kernels]") {
  at::manual_seed(6);
  const at::Tensor gradients = at::randn({kLength});
  const AdamwState whole = resting_state(gradients, at::kBFloat16), cut = resting_state(gradients, at::kBFloat16);
  adamw(whole, {.step = 9}, at::ones({}));
  for (std::int64_t begin = 0, size = 1; begin < kLength; begin += size, size = 2 * size + 1)
    adamw(cut.narrow(begin, std::min(kLength, begin + size)), {.step = 9}, at::ones({}));
  CHECK(at::equal(whole.values, cut.values));
  CHECK(at::equal(whole.first, cut.first));
  CHECK(at::equal(whole.second, cut.second));
  CHECK(whole.second.min().item<double>() >= 0);
}

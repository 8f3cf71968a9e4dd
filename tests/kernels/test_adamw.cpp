#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/adamw.h"
#include "support/devices.h"
#include "support/threads.h"

using cairn::kernels::adamw;
using cairn::kernels::AdamwRates;
using cairn::kernels::AdamwState;
using cairn::kernels::flat_norm;

namespace {

constexpr std::int64_t kSize = 40'003;  // several threads' worth, and no multiple of a vector
constexpr std::int64_t kRoom = 8;       // values around an array

constexpr at::ScalarType kMomentTypes[] = {at::kFloat, at::kBFloat16};

AdamwState random_state(at::Device device, bool with_teacher, at::ScalarType moments = at::kFloat) {
  at::manual_seed(3);
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  AdamwState state{at::randn({kSize}, options) * 0.02,
                   at::randn({kSize}, options) * 1e-3,
                   (at::randn({kSize}, options) * 1e-3).to(moments),
                   (at::rand({kSize}, options) * 1e-6).to(moments),
                   {}};
  if (with_teacher) state.teacher = at::randn({kSize}, options) * 0.02;
  return state;
}

template <class F>
AdamwState mapped(const AdamwState& s, const F& f) {
  return {f(s.values), f(s.gradients), f(s.first), f(s.second), s.teacher.defined() ? f(s.teacher) : s.teacher};
}

AdamwState clone(const AdamwState& state) {
  return mapped(state, [](const at::Tensor& x) { return x.clone(); });
}

AdamwState in_float64(const AdamwState& state) {
  return mapped(state, [](const at::Tensor& x) { return x.to(at::kDouble); });
}

/// The paper's algorithm 2 and the moving average, in whatever type the state has.
void plainly(AdamwState& s, const AdamwRates& rates, double scale) {
  const auto t = static_cast<double>(rates.step);
  const at::Tensor g = s.gradients * scale;
  s.values.mul_(1 - rates.lr * rates.decay);
  s.first.mul_(rates.betas[0]).add_(g, 1 - rates.betas[0]);
  s.second.mul_(rates.betas[1]).addcmul_(g, g, 1 - rates.betas[1]);
  const at::Tensor root = (s.second / (1 - std::pow(rates.betas[1], t))).sqrt() + rates.epsilon;
  s.values.sub_(rates.lr / (1 - std::pow(rates.betas[0], t)) * s.first / root);
  s.gradients.zero_();
  if (s.teacher.defined()) s.teacher.lerp_(s.values, 1 - rates.momentum);
}

/// All arrays of a state, a row each, with values around them: values, gradients and teacher [3, R], moments [2, R], R
/// a multiple of 4.
struct Block {
  at::Tensor rows, moments;

  Block to(at::Device device) const { return {rows.to(device), moments.to(device)}; }
};

/// Among the random numbers are gradients and moments of zero, subnormal ones and such whose square is infinite.
Block random_block(std::int64_t size, at::ScalarType moments) {
  at::manual_seed(4);
  const std::int64_t row = (size + kRoom + 3) / 4 * 4;
  const at::Tensor block = at::randn({5, row}) * at::tensor({2e-2F, 1e-3F, 1e-3F, 1e-3F, 2e-2F}).unsqueeze(1);
  block[3].square_();
  block.slice(1, 0, row, 7).slice(0, 1, 4).zero_();
  block[1].slice(0, 1, row, 7).mul_(1e-36);
  block[1].slice(0, 2, row, 7).mul_(1e25);
  return {at::stack({block[0], block[1], block[4]}), block.slice(0, 2, 4).to(moments)};
}

/// Where arrays start in the rows of such a block: the first at value `shift`, each other `step` further into its own.
struct Alignment {
  std::int64_t shift = 0, step = 0;
};

/// The arrays of such a block; every other length has no teacher.
AdamwState state_in(const Block& block, std::int64_t size, Alignment alignment) {
  std::int64_t start = alignment.shift - alignment.step;
  const auto array = [&](const at::Tensor& row) { return row.narrow(0, start += alignment.step, size); };
  const auto& [rows, moments] = block;
  AdamwState state{array(rows[0]), array(rows[1]), array(moments[0]), array(moments[1]), {}};
  if (size % 2 != 0) state.teacher = array(rows[2]);
  state.offset = size;
  return state;
}

void check_close(const at::Tensor& got, const at::Tensor& expected, double tolerance) {
  const double error = (got.to(at::kDouble).cpu() - expected.cpu()).abs().max().item<double>();
  CHECK(error <= tolerance * expected.abs().max().item<double>());
}

}  // namespace

TEST_CASE("AdamW gives the same on any number of threads", "[kernels]") {
  for (const at::ScalarType moments : kMomentTypes) {
    CAPTURE(moments);
    const AdamwState start = random_state(at::kCPU, true, moments);
    const AdamwState one = clone(start), two = clone(start);
    for (const auto& [threads, state] : {std::pair(1, &one), std::pair(2, &two)}) {
      const cairn::test::Threads used(threads);
      adamw(*state, {.lr = 1e-3, .decay = 0.05, .momentum = 0.99}, at::scalar_tensor(0.5));
    }
    CHECK(!at::equal(one.values, start.values));
    CHECK(at::equal(one.values, two.values));
    CHECK(at::equal(one.teacher, two.teacher));
    CHECK(at::equal(one.first, two.first));
    CHECK(at::equal(one.second, two.second));
  }
}

TEST_CASE("AdamW in one pass equals a float64 reference on every device", "[kernels][devices]") {
  for (const at::Device device : cairn::test::devices())
    for (const bool with_teacher : {true, false})
      for (const double momentum : {0.996, 0.3})
        for (const at::ScalarType moments : kMomentTypes) {
          CAPTURE(device, with_teacher, momentum, moments);
          const AdamwRates rates{1e-3, 0.05, {0.9, 0.95}, 1e-8, 7, momentum};
          const AdamwState state = random_state(device, with_teacher, moments);
          AdamwState expected = in_float64(state);
          plainly(expected, rates, 0.25);
          adamw(state, rates, at::full({}, 0.25, state.values.options()));
          const double tolerance = moments == at::kFloat ? 1e-6 : 1.0 / 128;
          check_close(state.values, expected.values, 1e-6);
          check_close(state.first, expected.first, tolerance);
          check_close(state.second, expected.second, tolerance);
          if (with_teacher) check_close(state.teacher, expected.teacher, 1e-6);
          CHECK(state.gradients.abs().max().item<double>() == 0);
        }
}

TEST_CASE("AdamW gives the bits of the CPU's on a GPU, whatever the length and alignment", "[kernels][devices]") {
  if (!cairn::test::has_cuda()) return;
  std::vector<std::int64_t> sizes = {kSize, 3'000'000, 3'000'017};
  for (std::int64_t size = 1; size <= 1000; ++size) sizes.push_back(size);
  for (const std::int64_t size : sizes)
    for (const Alignment alignment : {Alignment{0, 0}, {4, 0}, {1, 0}, {0, 1}})
      for (const at::ScalarType moments : kMomentTypes) {
        CAPTURE(size, alignment.shift, alignment.step, moments);
        const Block host = random_block(size, moments), device = host.to(at::kCUDA);
        const AdamwRates rates{1e-3, 0.05, {0.9, 0.95}, 1e-8, 7, size % 3 == 0 ? 0.3 : 0.996};
        adamw(state_in(host, size, alignment), rates, at::scalar_tensor(0.25));
        adamw(state_in(device, size, alignment), rates, at::scalar_tensor(0.25, device.rows.options()));
        CHECK(at::equal(device.rows.cpu(), host.rows));
        CHECK(at::equal(device.moments.cpu(), host.moments));
      }
}

TEST_CASE("AdamW in one pass gives the bits of PyTorch's three", "[kernels]") {
  const AdamwRates rates{1e-3, 0.05, {0.9, 0.999}, 1e-8, 3, 0.996};
  const AdamwState state = random_state(at::kCPU, true);
  AdamwState three = clone(state);
  std::vector<at::Tensor> values = {three.values}, gradients = {three.gradients}, first = {three.first};
  std::vector<at::Tensor> second = {three.second}, highest, steps = {at::full({}, 3.0)};
  at::_fused_adamw_(values, gradients, first, second, highest, steps, rates.lr, rates.betas[0], rates.betas[1],
                    rates.decay, rates.epsilon, false, false);
  three.teacher.lerp_(three.values, 1 - rates.momentum);
  adamw(state, rates, at::ones({}));
  // PyTorch's last values, which fill no vector, are rounded otherwise.
  const auto unequal = [](const at::Tensor& a, const at::Tensor& b) {
    const std::int64_t whole = kSize / 64 * 64;
    return (a.narrow(0, 0, whole) != b.narrow(0, 0, whole)).sum().item<std::int64_t>();
  };
  CHECK(unequal(state.first, three.first) == 0);
  CHECK(unequal(state.second, three.second) == 0);
  CHECK(unequal(state.values, three.values) == 0);
  CHECK(unequal(state.teacher, three.teacher) == 0);
}

TEST_CASE("AdamW writes what mixed precision computes with: the new values in bfloat16", "[kernels][devices]") {
  const float kNaN = std::numeric_limits<float>::quiet_NaN();
  for (const at::Device device : cairn::test::devices())
    for (const bool with_teacher : {true, false})
      for (const at::ScalarType moments : kMomentTypes)
        for (const std::int64_t shift : {0, 1, 4}) {
          CAPTURE(device, with_teacher, moments, shift);
          AdamwState state = random_state(device, with_teacher, moments);
          state.values[7].fill_(kNaN);
          const AdamwState alone = clone(state);
          const at::Tensor rows = at::full({2, kSize + kRoom}, 3.0, state.values.options().dtype(at::kBFloat16));
          state.half = rows[0].narrow(0, shift, kSize);
          if (with_teacher) state.teacher_half = rows[1].narrow(0, shift, kSize);
          const AdamwRates rates{.lr = 1e-3, .decay = 0.05, .momentum = 0.9};
          const at::Tensor scale = at::full({}, 0.5, state.values.options());
          adamw(alone, rates, scale);
          adamw(state, rates, scale);
          const auto check_copy = [&](const at::Tensor& copy, const at::Tensor& whole, const at::Tensor& as_before) {
            CHECK(at::equal(whole.nan_to_num(), as_before.nan_to_num()));
            CHECK(at::equal(copy.nan_to_num(), whole.to(at::kBFloat16).nan_to_num()));
            CHECK(copy[7].isnan().item<bool>());
          };
          check_copy(state.half, state.values, alone.values);
          if (with_teacher) check_copy(state.teacher_half, state.teacher, alone.teacher);
          const at::Tensor around =
              at::cat({rows.narrow(1, 0, shift), rows.narrow(1, shift + kSize, kRoom - shift)}, 1);
          CHECK(around.eq(3.0).all().item<bool>());
          CHECK(at::equal(state.first.nan_to_num(), alone.first.nan_to_num()));

          const at::Tensor before = rows.clone();
          adamw(state, rates, at::full({}, kNaN, state.values.options()));
          CHECK(at::equal(rows.nan_to_num(), before.nan_to_num()));
        }
}

TEST_CASE("AdamW leaves everything but the gradient alone when the scale is not finite", "[kernels][devices]") {
  for (const at::Device device : cairn::test::devices())
    for (const double scale : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
      for (const at::ScalarType moments : kMomentTypes) {
        CAPTURE(device, scale, moments);
        const AdamwState state = random_state(device, true, moments), before = clone(state);
        adamw(state, {}, at::full({}, scale, state.values.options()));
        CHECK(at::equal(state.values, before.values));
        CHECK(at::equal(state.first, before.first));
        CHECK(at::equal(state.second, before.second));
        CHECK(at::equal(state.teacher, before.teacher));
        CHECK(state.gradients.abs().max().item<double>() == 0);
      }
}

TEST_CASE("the norm of flat memory is float64's on every device, and the same on any number of threads",
          "[kernels][devices]") {
  for (const at::Device device : cairn::test::devices())
    for (const std::int64_t size : {1, 15, 17, 16'384, 40'003, 1'000'000}) {
      CAPTURE(device, size);
      at::manual_seed(size);
      const at::Tensor x = 1e-3 * at::randn({size}, device) + 1e-4;
      const auto norm = [&](int threads) {
        const cairn::test::Threads used(threads);
        return flat_norm(x);
      };
      const at::Tensor one = norm(1), two = norm(2);
      CHECK(at::equal(one, two));
      CHECK(one.dim() == 0);
      CHECK(one.scalar_type() == at::kFloat);
      check_close(one, x.to(at::kDouble).norm(), 1e-6);
    }
}

TEST_CASE("the norm of flat memory is not finite where a value is not", "[kernels]") {
  for (const std::int64_t place : {0, 17, 39'999}) {
    const at::Tensor x = at::ones({kSize});
    x[place] = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(flat_norm(x).item<float>()));
    x[place] = -std::numeric_limits<float>::infinity();
    CHECK(std::isinf(flat_norm(x).item<float>()));
  }
  CHECK(flat_norm(at::empty({0})).item<float>() == 0);
}

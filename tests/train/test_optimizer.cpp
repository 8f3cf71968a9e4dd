#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "train/autocast.h"
#include "train/optimizer.h"

using namespace cairn;

namespace {

struct Model {
  at::Tensor matrix = at::randn({5, 3}), bias = at::randn({7}), frozen = at::randn({2, 2}), own = at::randn({3, 3});
  at::Tensor teacher_matrix = matrix.clone(), teacher_bias = bias.clone(), teacher_frozen = frozen.clone();
  FlatParameters student, teacher;

  Model()
      : student({{"matrix", matrix.set_requires_grad(true), true},
                 {"bias", bias.set_requires_grad(true), true},
                 {"frozen", frozen, true, false},
                 {"own", own.set_requires_grad(true), false}},
                at::kCPU, true),
        teacher(
            {{"matrix", teacher_matrix, true}, {"bias", teacher_bias, true}, {"frozen", teacher_frozen, true, false}},
            at::kCPU, false) {}
};

/// AdamW in float64, as the paper's algorithm 2 reads.
struct Reference {
  at::Tensor value, first, second;
  explicit Reference(const at::Tensor& start)
      : value(start.detach().to(at::kDouble).clone()), first(at::zeros_like(value)), second(at::zeros_like(value)) {}

  void step(const at::Tensor& gradient, int t, double lr, double decay, const OptimSettings& o) {
    const at::Tensor g = gradient.to(at::kDouble);
    value.mul_(1 - lr * decay);
    first.mul_(o.betas[0]).add_(g, 1 - o.betas[0]);
    second.mul_(o.betas[1]).addcmul_(g, g, 1 - o.betas[1]);
    const at::Tensor root = (second / (1 - std::pow(o.betas[1], t))).sqrt() + o.epsilon;
    value.sub_(lr * (first / (1 - std::pow(o.betas[0], t))) / root);
  }
};

}  // namespace

TEST_CASE("parameters, gradients and teacher lie in flat memory of equal layout", "[flat]") {
  Model m;
  const at::Tensor before = m.matrix.detach().clone();
  REQUIRE(m.student.shared_size() == m.teacher.values().numel());
  for (std::size_t i = 0; i < m.teacher.segments().size(); ++i) {
    REQUIRE(m.teacher.segments()[i].name == m.student.segments()[i].name);
    REQUIRE(m.teacher.segments()[i].offset == m.student.segments()[i].offset);
    REQUIRE(m.student.segments()[i].offset % 16 == 0);
  }
  m.student.values().zero_();
  REQUIRE(m.matrix.abs().sum().item<double>() == 0.0);
  m.matrix.detach().copy_(before);
  (m.matrix.sum() + m.own.sum()).backward();
  REQUIRE(m.student.gradients().sum().item<double>() == Approx(15 + 9));
  REQUIRE_FALSE(m.frozen.grad().defined());
  REQUIRE(m.student.parameter_count() == 15 + 7 + 4 + 9);
}

TEST_CASE("AdamW over flat memory follows the paper, decays matrices alone, and the teacher follows", "[optimizer]") {
  Model m;
  OptimSettings settings;
  settings.weight_decay = 0.3;
  Optimizer optimizer(m.student, &m.teacher, settings);
  Reference matrix(m.matrix), bias(m.bias), own(m.own);
  const at::Tensor frozen = m.frozen.clone();
  at::Tensor teacher = m.teacher_matrix.to(at::kDouble).clone();
  for (int t = 1; t <= 5; ++t) {
    ((m.matrix * m.matrix * t).sum() + (m.bias * m.bias).sum() + m.own.sin().sum()).backward();
    const StepRates rates{1e-2 / t, 0.3, 0.9};
    matrix.step(m.matrix.grad(), t, rates.lr, rates.weight_decay, settings);
    bias.step(m.bias.grad(), t, rates.lr, 0.0, settings);
    own.step(m.own.grad(), t, rates.lr, rates.weight_decay, settings);
    optimizer.step(rates);
    teacher.lerp_(matrix.value, 0.1);
    REQUIRE(m.student.gradients().abs().sum().item<double>() == 0.0);
  }
  REQUIRE(at::allclose(m.matrix.to(at::kDouble), matrix.value, 1e-6, 1e-6));
  REQUIRE(at::allclose(m.bias.to(at::kDouble), bias.value, 1e-6, 1e-6));
  REQUIRE(at::allclose(m.own.to(at::kDouble), own.value, 1e-6, 1e-6));
  REQUIRE(at::allclose(m.teacher_matrix.to(at::kDouble), teacher, 1e-6, 1e-6));
  REQUIRE(at::equal(m.frozen, frozen));
  REQUIRE(at::equal(m.teacher_frozen, frozen));
}

TEST_CASE("clipping bounds the norm of the whole gradient and reports the norm before", "[optimizer]") {
  Model m;
  OptimSettings settings;
  settings.clip = 1.0;
  settings.weight_decay = 0.0;
  Optimizer optimizer(m.student, nullptr, settings);
  (m.matrix.sum() * 100).backward();
  const double norm = optimizer.step({0.0, 0.0, 1.0}).item<double>();
  REQUIRE(norm == Approx(100 * std::sqrt(15.0)));
  REQUIRE(optimizer.first_moment().norm().item<double>() == Approx(1.0 - settings.betas[0]).epsilon(1e-4));
}

TEST_CASE("autocast ends with its scope, also when something is thrown", "[autocast]") {
  const at::Tensor a = at::randn({4, 4}), b = at::randn({4, 4});
  {
    const Autocast cast(at::kCPU, true);
    REQUIRE(at::matmul(a, b).scalar_type() == at::kBFloat16);
  }
  REQUIRE(at::matmul(a, b).scalar_type() == at::kFloat);
  try {
    const Autocast cast(at::kCPU, true);
    throw 1;
  } catch (int) {
  }
  REQUIRE(at::matmul(a, b).scalar_type() == at::kFloat);
  const Autocast off(at::kCPU, false);
  REQUIRE(at::matmul(a, b).scalar_type() == at::kFloat);
}

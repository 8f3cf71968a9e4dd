#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "cairn/error.h"
#include "model/parameter_rules.h"
#include "nn/autocast.h"
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

TEST_CASE("moments of bfloat16 hardly change what AdamW does", "[optimizer]") {
  std::vector<at::Tensor> ends;
  for (const char* moments : {"float32", "bfloat16"}) {
    at::manual_seed(1);
    Model m;
    OptimSettings settings;
    settings.moments = moments;
    Optimizer optimizer(m.student, &m.teacher, settings);
    for (int t = 1; t <= 5; ++t) {
      ((m.matrix * m.matrix * t).sum() + m.own.sin().sum()).backward();
      optimizer.step({1e-2, 0.3, 0.9});
    }
    const bool is_short = settings.moments == "bfloat16";
    REQUIRE(optimizer.first_moment().scalar_type() == (is_short ? at::kBFloat16 : at::kFloat));
    REQUIRE(optimizer.second_moment().scalar_type() == optimizer.first_moment().scalar_type());
    ends.push_back(m.student.values().clone());
  }
  REQUIRE_FALSE(at::equal(ends[0], ends[1]));
  REQUIRE(at::allclose(ends[0], ends[1], 1e-3, 1e-3));
}

TEST_CASE("SGD and LARS follow their formulas; LARS leaves what does not decay to SGD", "[optimizer]") {
  for (const char* type : {"sgd", "lars"}) {
    Model m;
    OptimSettings settings;
    settings.type = type;
    settings.momentum = 0.9;
    settings.trust = 0.1;
    Optimizer optimizer(m.student, nullptr, settings);
    const at::Tensor start = m.matrix.detach().clone();
    at::Tensor matrix = start, bias = m.bias.detach().clone();
    at::Tensor matrix_momentum = at::zeros_like(matrix), bias_momentum = at::zeros_like(bias);
    for (int t = 1; t <= 4; ++t) {
      ((m.matrix * m.matrix * t).sum() + m.bias.sin().sum()).backward();
      at::Tensor update = 2.0 * t * matrix + 0.3 * matrix;
      if (std::string(type) == "lars") update = update * 0.1 * matrix.norm() / update.norm();
      matrix_momentum = 0.9 * matrix_momentum + update;
      bias_momentum = 0.9 * bias_momentum + bias.cos();
      matrix = matrix - 0.01 * matrix_momentum;
      bias = bias - 0.01 * bias_momentum;
      optimizer.step({0.01, 0.3, 1.0});
    }
    REQUIRE(at::allclose(m.matrix - start, matrix - start, 1e-4, 1e-6));
    REQUIRE((matrix - start).abs().max().item<double>() > 1e-4);  // or the line above says nothing
    REQUIRE(at::allclose(m.bias, bias, 1e-4, 1e-5));
  }
}

TEST_CASE("a gradient that is not finite moves nothing, whatever the optimizer", "[optimizer]") {
  for (const char* type : {"adamw", "sgd", "lars"}) {
    CAPTURE(type);
    for (const double clip : {0.0, 1.0}) {
      Model m;
      OptimSettings settings;
      settings.type = type;
      settings.clip = clip;
      Optimizer optimizer(m.student, &m.teacher, settings);
      const auto step = [&](double factor) {
        (m.matrix.square().sum() * factor + m.bias.sin().sum() + m.own.square().sum()).backward();
        optimizer.step({0.1, 0.05, 0.5});
      };
      step(1.0);
      const at::Tensor values = m.student.values().clone(), moment = optimizer.first_moment().clone();
      for (const double factor : {std::nan(""), HUGE_VAL}) {
        step(factor);
        REQUIRE(at::equal(m.student.values(), values));
        REQUIRE(at::equal(optimizer.first_moment(), moment));
        REQUIRE(at::isfinite(m.teacher.values()).all().item<bool>());
        REQUIRE(m.student.gradients().abs().sum().item<double>() == 0.0);
      }
      step(1.0);
      REQUIRE_FALSE(at::equal(m.student.values(), values));
    }
  }
}

TEST_CASE("LARS: a weight or gradient of zero is left to SGD, and clipped trust moves no further than SGD",
          "[optimizer]") {
  Model m;
  m.own.detach().zero_();
  OptimSettings settings;
  settings.type = "lars";
  settings.momentum = 0.0;
  settings.trust = 1.0;
  settings.clip_trust = true;
  Optimizer optimizer(m.student, nullptr, settings);
  const at::Tensor before = m.matrix.detach().clone();
  (m.matrix.sum() * 1e-3 + m.own.sum()).backward();
  optimizer.step({0.1, 0.0, 1.0});
  REQUIRE(at::allclose(m.own, at::full({3, 3}, -0.1)));
  REQUIRE(at::allclose(before - m.matrix, at::full({5, 3}, 1e-4), 1e-2, 1e-6));
}

TEST_CASE("copies in bfloat16 follow every update, frozen and unfrozen, and what else was written when told",
          "[flat]") {
  for (const char* type : {"adamw", "sgd", "lars"}) {
    CAPTURE(type);
    Model m;
    m.student.cast_half(0, 4);  // nothing, as there are none yet
    REQUIRE_FALSE(m.student.half().defined());
    m.student.cast_half();
    m.teacher.cast_half();
    OptimSettings settings;
    settings.type = type;
    Optimizer optimizer(m.student, &m.teacher, settings);
    m.teacher.values().add_(1.0);  // so that a frozen one moves as well
    for (int step = 0; step < 3; ++step) {
      const at::Tensor before = m.student.half().clone();
      (m.matrix.square().sum() + m.bias.sin().sum() + m.own.square().sum()).backward();
      optimizer.step({0.1, 0.05, 0.5, 0.1});
      REQUIRE_FALSE(at::equal(m.student.half(), before));
      REQUIRE(at::equal(m.student.half(), m.student.values().to(at::kBFloat16)));
      REQUIRE(at::equal(m.teacher.half(), m.teacher.values().to(at::kBFloat16)));
    }
    m.own.detach().zero_();
    m.student.cast_half("matrix");
    REQUIRE_FALSE(at::equal(m.student.half(), m.student.values().to(at::kBFloat16)));
    m.student.cast_half("ow");
    REQUIRE(at::equal(m.student.half(), m.student.values().to(at::kBFloat16)));
  }
}

TEST_CASE("rules: frozen steps, factors and constant rates, each for its own parameters", "[optimizer]") {
  at::Tensor head = at::ones({2, 2}), body = at::ones({2, 2}), predictor = at::ones({2, 2});
  OptimSettings settings;
  settings.type = "sgd";
  settings.momentum = 0.0;
  settings.rule = {{{"head"}, 2.0, 0.5, false, 2}, {{"predictor"}, 1.0, 1.0, true, 0}};
  FlatParameters student({{"body", body.set_requires_grad(true), true},
                          {"head", head.set_requires_grad(true), true, true, 0},
                          {"predictor", predictor.set_requires_grad(true), false, true, 1}},
                         at::kCPU, true);
  Optimizer optimizer(student, nullptr, settings);
  const auto step = [&] {
    (head.sum() + body.sum() + predictor.sum()).backward();
    return optimizer.step({0.1, 0.0, 1.0, 0.5}).item<double>();
  };
  REQUIRE(step() == Approx(std::sqrt(8.0)));  // a frozen gradient does not count
  step();
  REQUIRE(at::equal(head, at::ones({2, 2})));
  REQUIRE(at::allclose(body, at::full({2, 2}, 0.8)));
  REQUIRE(at::allclose(predictor, at::zeros({2, 2}), 1e-5, 1e-6));
  step();
  REQUIRE(at::allclose(head, at::full({2, 2}, 0.8)));
  optimizer.set_steps(0);
  step();
  REQUIRE(at::allclose(head, at::full({2, 2}, 0.8)));
}

TEST_CASE("the first rule that matches counts, and a pattern that matches nothing is an error", "[optimizer]") {
  const std::vector<OptimRule> rules = {{{"projector.last", "*.bias"}}, {{"projector.*"}, 1, 1, false, -1}};
  REQUIRE(rule_of(rules, "encoder.norm.bias") == 0);
  REQUIRE(rule_of(rules, "projector.first.weight") == 1);
  REQUIRE(rule_of(rules, "encoder.weight") == -1);
  auto linear = std::make_shared<torch::nn::LinearImpl>(2, 3);
  apply_rules({{{"*weight"}, 1, 1, false, -1}}, {{"encoder", linear}});
  REQUIRE_FALSE(linear->weight.requires_grad());
  REQUIRE(linear->bias.requires_grad());
  REQUIRE_THROWS_AS(apply_rules({{{"decoder.*"}}}, {{"encoder", linear}}), ConfigError);
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

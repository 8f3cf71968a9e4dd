#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "checkpoint/safetensors.h"
#include "latent_regression.h"
#include "support/golden.h"

namespace {

using namespace cairn;
using jepa::LatentRegression;
using jepa::LatentRegressionOptions;
using jepa::Loss;
using jepa::TargetNorm;

LatentRegression make(const LatentRegressionOptions& options, std::int64_t width = 6) {
  ObjectiveSetting setting;
  setting.prediction_width = width;
  setting.encoder_depth = 4;
  return LatentRegression(options, setting);
}

LossReport evaluate(LatentRegression& objective, const std::vector<Pair>& pairs) {
  StepView step;
  step.pairs = pairs;
  return objective.evaluate(step);
}

bool matches(const at::Tensor& actual, const at::Tensor& expected, double absolute, double relative) {
  return ((actual - expected).abs() <= absolute + relative * expected.abs()).all().item<bool>();
}

void check_golden(const std::string& name, LatentRegressionOptions options, double absolute) {
  const auto folder = test::golden_case("objectives/" + name);
  if (folder.empty()) return;
  auto file = read_safetensors(folder / "case.safetensors");
  LatentRegression objective = make(options, file.tensors.at("input.target").size(-1));
  const at::Tensor prediction = file.tensors.at("input.prediction").clone().requires_grad_(true);
  const LossReport report = evaluate(objective, {{prediction, objective.refine(file.tensors.at("input.target"))}});
  report.total.backward();
  INFO(name);
  CHECK(matches(report.total, file.tensors.at("expect.loss"), absolute, 1e-4));
  CHECK(matches(prediction.grad(), file.tensors.at("expect.grad.prediction"), absolute, 1e-4));
}

TEST_CASE("golden cases") {
  check_golden("latent_regression_smooth_l1", {.loss = Loss::smooth_l1}, 1e-6);
  check_golden("latent_regression_l1", {.loss = Loss::l1}, 1e-6);
  check_golden("latent_regression_l2", {.loss = Loss::l2}, 1e-6);
  check_golden("latent_regression_l2_raw", {.loss = Loss::l2, .target_norm = TargetNorm::none}, 1e-5);
}

TEST_CASE("centred targets, in the order of the recipe") {
  at::manual_seed(31);
  const at::Tensor target = at::randn({5, 7, 6}) * 3.0 + at::arange(6, at::kFloat);
  at::Tensor h = at::layer_norm(target, {6}, {}, {}, 1e-5);
  LatentRegressionOptions options;
  CHECK(at::allclose(make(options).refine(target), h));
  options.centre_position = true;
  h = h - h.mean(0, true);
  CHECK(at::allclose(make(options).refine(target), h, 1e-5, 1e-6));
  options.centre_sample = true;
  h = h - h.mean(1, true);
  CHECK(at::allclose(make(options).refine(target), h, 1e-5, 1e-6));
  options.scale_channels = true;
  const at::Tensor flat = h.reshape({35, 6});
  h = h / ((flat - flat.mean(0)).pow(2).mean(0).sqrt() + 1e-3);
  const at::Tensor refined = make(options).refine(target);
  CHECK(at::allclose(refined, h, 1e-5, 1e-6));
  CHECK(refined.mean(0).abs().max().item<double>() < 1e-5);
  CHECK(refined.mean(1).abs().max().item<double>() < 1e-5);
}

TEST_CASE("a centred batch of one, and bfloat16 targets, stay finite floats") {
  LatentRegressionOptions options;
  options.centre_position = options.centre_sample = options.scale_channels = true;
  const at::Tensor refined = make(options).refine(at::randn({1, 4, 6}).to(at::kBFloat16));
  CHECK(refined.scalar_type() == at::kFloat);
  CHECK(refined.isfinite().all().item<bool>());
}

TEST_CASE("targets from the last blocks") {
  LatentRegressionOptions options;
  CHECK(make(options).target().taps.empty());
  CHECK(make(options).target().source == Source::teacher);
  options.target_blocks = 3;
  CHECK(make(options).target().taps == std::vector<std::int64_t>{1, 2, 3});
  const at::Tensor blocks = at::randn({2, 5, 18});
  const at::Tensor mean = (blocks.narrow(2, 0, 6) + blocks.narrow(2, 6, 6) + blocks.narrow(2, 12, 6)) / 3.0;
  CHECK(at::allclose(make(options).refine(blocks), at::layer_norm(mean, {6}, {}, {}, 1e-5), 1e-4, 1e-5));
  options.target_blocks = 5;
  CHECK_THROWS_AS(make(options), ConfigError);
}

TEST_CASE("levels are normed each on its own and predicted side by side") {
  LatentRegressionOptions options;
  options.levels = {1, 3};
  const TargetSpec spec = make(options).target();
  CHECK(spec.taps == std::vector<std::int64_t>{1, 3});
  CHECK(spec.width == 12);
  const at::Tensor blocks = at::randn({2, 5, 12});
  const at::Tensor expected = at::cat({at::layer_norm(blocks.narrow(2, 0, 6), {6}, {}, {}, 1e-5),
                                       at::layer_norm(blocks.narrow(2, 6, 6), {6}, {}, {}, 1e-5)},
                                      2);
  CHECK(at::allclose(make(options).refine(blocks), expected, 1e-4, 1e-5));
  LatentRegressionOptions fused;
  fused.norm_parts = 2;
  CHECK(at::allclose(make(fused, 12).refine(blocks), expected, 1e-4, 1e-5));
  CHECK(make(fused, 12).target().taps.empty());
  CHECK_THROWS_AS(make(fused, 13), ConfigError);
  options.norm_parts = 2;
  CHECK_THROWS_AS(make(options), ConfigError);
  options.norm_parts = 1;
  options.levels = {3, 1};
  CHECK_THROWS_AS(make(options), ConfigError);
  options.levels = {1, 4};
  CHECK_THROWS_AS(make(options), ConfigError);
  options.levels = {1, 3};
  options.target_blocks = 2;
  CHECK_THROWS_AS(make(options), ConfigError);
}

TokenSet ids(const std::vector<std::int64_t>& values, std::int64_t rows) {
  return {at::tensor(values, at::kLong).view({rows, -1})};
}

TEST_CASE("seen tokens that are asked about too have a weight of their own, which may rise") {
  LatentRegressionOptions options;
  options.loss = Loss::l1;
  options.seen_weight = 0.5;
  options.seen_ramp = {100, 200};
  LatentRegression objective = make(options);
  const Plan plan{{{0, ids({0}, 1), {}}}, {{0, 0, ids({1, 2, 0}, 1), Level::tokens, 0, /*seen_too=*/true}}};
  const at::Tensor zeros = at::zeros({1, 3, 6}), off = at::tensor({1.0F, 1.0F, 4.0F}).view({1, 3, 1}).expand({1, 3, 6});
  const std::vector<Pair> pairs = {{zeros + off, zeros, &plan.queries[0]}};
  StepView step;
  step.pairs = pairs;
  step.plan = &plan;
  for (const auto& [at_step, total] :
       {std::pair{0, 1.0}, std::pair{100, 1.0}, std::pair{150, 2.0}, std::pair{200, 3.0}}) {
    step.progress.step = at_step;
    CHECK(objective.evaluate(step).total.item<double>() == Approx(total));
  }
}

TEST_CASE("seen tokens near hidden ones weigh more than those far away") {
  // 2 x 3 x 4 tokens: hidden is (0, 0, 0), and in the second row (1, 2, 3) too.
  const TokenGrid grid{{2, 3, 4}, {Axis::time, Axis::height, Axis::width}};
  const Plan plan{{{0, ids({1, 12, 19, 1, 22, 7}, 2), {}}},
                  {{0, 0, ids({0, 0, 1, 12, 19, 0, 23, 1, 22, 7}, 2), Level::tokens, 0, /*seen_too=*/true}}};
  const std::vector<double> distances = {1, 1, std::sqrt(1.0 + 1 + 9), 1, 1, std::sqrt(2.0)};
  double expected = 0;
  for (std::size_t i = 0; i < distances.size(); ++i)
    expected += (static_cast<double>(i) + 1) / std::sqrt(distances[i]) / 6;
  const at::Tensor zeros = at::zeros({2, 5, 6}), cost = at::arange(1, 7, at::kFloat).view({2, 3, 1});
  for (const Loss loss : {Loss::l1, Loss::l2, Loss::smooth_l1}) {
    LatentRegressionOptions options;
    options.loss = loss;
    options.seen_weight = 1;
    const at::Tensor off = loss == Loss::l2 ? cost.sqrt() : loss == Loss::smooth_l1 ? cost + 0.5 : cost;
    const at::Tensor prediction = at::cat({at::zeros({2, 2, 6}), off.expand({2, 3, 6})}, 1);
    const std::vector<Pair> pairs = {{prediction, zeros, &plan.queries[0], grid}};
    StepView step;
    step.pairs = pairs;
    step.plan = &plan;
    for (const auto& [unit, times] : {std::pair{1.0, 1.0}, std::pair{4.0, 2.0}}) {
      options.seen_distance = unit;
      CHECK(make(options).evaluate(step).total.item<double>() == Approx(times * expected));
    }
    options.seen_distance = 0;
    CHECK(make(options).evaluate(step).total.item<double>() == Approx(3.5));
  }
}

TEST_CASE("each block is normed before the mean, over its features or over the sample's tokens") {
  at::manual_seed(35);
  const at::Tensor blocks = at::randn({2, 5, 12}) * 4.0 + 1.0;
  LatentRegressionOptions options;
  options.target_blocks = 2;
  options.target_norm = TargetNorm::none;
  const auto refined = [&](jepa::BlockNorm norm) {
    options.block_norm = norm;
    return make(options).refine(blocks);
  };
  const at::Tensor one = blocks.narrow(2, 0, 6), two = blocks.narrow(2, 6, 6);
  CHECK(at::allclose(refined(jepa::BlockNorm::none), (one + two) / 2.0, 1e-4, 1e-5));
  const auto layer = [](const at::Tensor& x) { return at::layer_norm(x, {6}, {}, {}, 1e-5); };
  CHECK(at::allclose(refined(jepa::BlockNorm::layer), (layer(one) + layer(two)) / 2.0, 1e-4, 1e-5));
  const auto instance = [](const at::Tensor& x) {
    return at::instance_norm(x.transpose(1, 2), {}, {}, {}, {}, true, 0.0, 1e-5, false).transpose(1, 2);
  };
  CHECK(at::allclose(refined(jepa::BlockNorm::instance), (instance(one) + instance(two)) / 2.0, 1e-4, 1e-5));
}

TEST_CASE("queries count alike, and equal shapes give the mean over all elements") {
  at::manual_seed(32);
  const at::Tensor p = at::randn({4, 8, 6}), t = at::randn({4, 8, 6});
  LatentRegressionOptions options;
  options.loss = Loss::l1;
  LatentRegression objective = make(options);
  const auto half = [](const at::Tensor& x, int i) { return x.narrow(1, 4 * i, 4); };
  const LossReport split = evaluate(objective, {{half(p, 0), half(t, 0)}, {half(p, 1), half(t, 1)}});
  CHECK(split.total.item<double>() == Approx((p - t).abs().mean().item<double>()));
  const at::Tensor short_p = p.narrow(1, 0, 1), short_t = t.narrow(1, 0, 1);
  const double mean = ((p - t).abs().mean() + (short_p - short_t).abs().mean()).item<double>() / 2.0;
  CHECK(evaluate(objective, {{p, t}, {short_p, short_t}}).total.item<double>() == Approx(mean));
}

TEST_CASE("the variance term is V-JEPA's") {
  at::manual_seed(33);
  const at::Tensor p1 = at::randn({2, 8, 6}) * 0.3, p2 = at::randn({2, 5, 6}) * 0.5;
  LatentRegressionOptions options;
  LatentRegression plain = make(options);
  options.variance = 2.0;
  LatentRegression guarded = make(options);
  const std::vector<Pair> pairs = {{p1, at::zeros_like(p1)}, {p2, at::zeros_like(p2)}};
  const at::Tensor s = ((p1.var(1, true) + 1e-4).sqrt() + (p2.var(1, true) + 1e-4).sqrt()) / 2.0;
  const double wanted = 2.0 * (1.0 - s).clamp_min(0.0).mean().item<double>();
  CHECK((evaluate(guarded, pairs).total - evaluate(plain, pairs).total).item<double>() == Approx(wanted));
}

TEST_CASE("what it logs") {
  LatentRegression objective = make({});
  at::manual_seed(34);
  const at::Tensor t = at::randn({16, 32, 6}), p = (2.0 * t).requires_grad_(true);
  const LossReport report = evaluate(objective, {{p, t}});
  const std::map<std::string, at::Tensor> terms(report.terms.begin(), report.terms.end());
  CHECK(terms.at("prediction_std").item<double>() == Approx(2.0).epsilon(0.05));
  CHECK(terms.at("target_std").item<double>() == Approx(1.0).epsilon(0.05));
  CHECK(terms.at("target_cosine").item<double>() == Approx(1.0));
  for (const auto& [name, value] : report.terms) {
    INFO(name);
    CHECK(value.dim() == 0);
    CHECK_FALSE(value.requires_grad());
  }
}

TEST_CASE("M2D's loss is that of directions, and its targets are the asked tokens alone") {
  LatentRegressionOptions options{.loss = Loss::cosine};
  options.asked_only = true;
  LatentRegression objective = make(options);
  CHECK(objective.target().asked_only);
  CHECK_FALSE(make({}).target().asked_only);
  const at::Tensor target = at::randn({2, 3, 6});
  CHECK(evaluate(objective, {{target * 7, target}}).total.item<double>() == Approx(0).margin(1e-6));
  CHECK(evaluate(objective, {{-target, target}}).total.item<double>() == Approx(4));
  // 2 - 2 cos is the squared distance of unit vectors.
  const at::Tensor other = at::randn({2, 3, 6});
  const auto unit = [](const at::Tensor& x) { return x / x.norm(2, {-1}, true); };
  CHECK(evaluate(objective, {{other, target}}).total.item<double>() ==
        Approx((unit(other) - unit(target)).square().sum(-1).mean().item<double>()));
  options.centre_position = true;
  CHECK_THROWS_AS(make(options), ConfigError);
}

TEST_CASE("no pairs, and predictions of another shape, are errors") {
  LatentRegression objective = make({});
  CHECK_THROWS_AS(evaluate(objective, {}), Error);
  CHECK_THROWS_AS(evaluate(objective, {{at::zeros({2, 3, 6}), at::zeros({2, 1, 6})}}), Error);
}

}  // namespace

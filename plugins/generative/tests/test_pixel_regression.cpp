#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <map>

#include "cairn/error.h"
#include "checkpoint/safetensors.h"
#include "pixel_regression.h"
#include "support/golden.h"

namespace {

using namespace cairn;
using generative::Loss;
using generative::PatchNorm;
using generative::PixelRegression;
using generative::PixelRegressionOptions;

PixelRegression make(const PixelRegressionOptions& options, std::int64_t channels = 3, std::int64_t side = 4) {
  ObjectiveSetting setting;
  setting.tokenizer = {channels, {side, side}, {Axis::height, Axis::width}};
  return PixelRegression(options, setting);
}

LossReport evaluate(PixelRegression& objective, const std::vector<Pair>& pairs) {
  StepView step;
  step.pairs = pairs;
  return objective.evaluate(step);
}

bool matches(const at::Tensor& actual, const at::Tensor& expected, double absolute) {
  return ((actual - expected).abs() <= absolute + 1e-4 * expected.abs()).all().item<bool>();
}

void check_golden(const std::string& name, const PixelRegressionOptions& options, double absolute) {
  const auto folder = test::golden_case("objectives/" + name);
  if (folder.empty()) return;
  auto file = read_safetensors(folder / "case.safetensors");
  PixelRegression objective = make(options);
  const at::Tensor prediction = file.tensors.at("input.prediction").clone().requires_grad_(true);
  const LossReport report = evaluate(objective, {{prediction, objective.refine(file.tensors.at("input.target"))}});
  report.total.backward();
  INFO(name);
  CHECK(matches(report.total, file.tensors.at("expect.loss"), absolute));
  CHECK(matches(prediction.grad(), file.tensors.at("expect.grad.prediction"), absolute));
}

TEST_CASE("golden cases") {
  check_golden("pixel_regression_mae", {.patch_norm = PatchNorm::patch}, 1e-6);
  check_golden("pixel_regression_patch_flat", {.patch_norm = PatchNorm::patch}, 1e-5);
  check_golden("pixel_regression_videomae", {.patch_norm = PatchNorm::patch_channel}, 1e-6);
  check_golden("pixel_regression_patch_channel_flat", {.patch_norm = PatchNorm::patch_channel}, 1e-6);
  check_golden("pixel_regression_raw", {.patch_norm = PatchNorm::none}, 1e-6);
}

TEST_CASE("a standardised patch has mean 0 and unbiased deviation 1, each channel or all together") {
  at::manual_seed(41);
  const at::Tensor target = at::rand({2, 5, 48}) * at::arange(1, 4, at::kFloat).repeat({16}) + 4.0;
  const at::Tensor whole = make({.patch_norm = PatchNorm::patch}).refine(target);
  CHECK(whole.mean(-1).abs().max().item<double>() < 1e-4);
  CHECK((whole.std(-1, true) - 1.0).abs().max().item<double>() < 1e-4);
  const at::Tensor each = make({.patch_norm = PatchNorm::patch_channel}).refine(target).view({2, 5, 16, 3});
  CHECK(each.mean(2).abs().max().item<double>() < 1e-4);
  CHECK((each.std(2, true) - 1.0).abs().max().item<double>() < 1e-4);
  CHECK_FALSE(at::allclose(whole.view({2, 5, 16, 3}), each, 1e-2, 1e-2));
  CHECK(at::equal(make({.patch_norm = PatchNorm::none}).refine(target), target));
}

TEST_CASE("with one channel both norms differ by where epsilon stands only") {
  at::manual_seed(42);
  const at::Tensor target = at::rand({2, 5, 16});
  const at::Tensor whole = make({.patch_norm = PatchNorm::patch}, 1).refine(target);
  CHECK(at::allclose(whole, make({.patch_norm = PatchNorm::patch_channel}, 1).refine(target), 1e-4, 1e-4));
}

TEST_CASE("flat patches and bfloat16 stay finite floats") {
  for (const PatchNorm norm : {PatchNorm::none, PatchNorm::patch, PatchNorm::patch_channel}) {
    const at::Tensor refined = make({.patch_norm = norm}).refine(at::ones({1, 2, 48}).to(at::kBFloat16));
    CHECK(refined.scalar_type() == at::kFloat);
    CHECK(refined.isfinite().all().item<bool>());
  }
}

TEST_CASE("a nearly flat patch is standardised as precisely as any") {
  at::manual_seed(45);
  const at::Tensor target = at::rand({2, 5, 48}) * 1e-5 + 0.5, exact = target.to(at::kDouble);
  const at::Tensor patch = (exact - exact.mean(-1, true)) / (exact.var(-1, true, true) + 1e-6).sqrt();
  CHECK(matches(make({.patch_norm = PatchNorm::patch}).refine(target), patch, 1e-6));
  const at::Tensor each = exact.view({2, 5, 16, 3});
  const at::Tensor channel = (each - each.mean(2, true)) / (each.var(2, true, true).sqrt() + 1e-6);
  CHECK(matches(make({.patch_norm = PatchNorm::patch_channel}).refine(target), channel.flatten(2), 1e-6));
}

TEST_CASE("restore undoes refine") {
  at::manual_seed(43);
  const at::Tensor target = at::rand({2, 5, 48}) * 7.0 - 3.0;
  for (const PatchNorm norm : {PatchNorm::none, PatchNorm::patch, PatchNorm::patch_channel}) {
    PixelRegression objective = make({.patch_norm = norm});
    CHECK(at::allclose(objective.restore(objective.refine(target), target), target, 1e-4, 1e-4));
  }
}

TEST_CASE("the loss is the mean over elements of the difference's cost, queries count alike") {
  at::manual_seed(44);
  const at::Tensor p = at::randn({4, 6, 48}), t = at::randn({4, 6, 48}), difference = (p - t).abs();
  const auto loss = [&](const PixelRegressionOptions& options, const std::vector<Pair>& pairs) {
    PixelRegression objective = make(options);
    return evaluate(objective, pairs).total.item<double>();
  };
  CHECK(loss({.loss = Loss::l2}, {{p, t}}) == Approx(difference.square().mean().item<double>()));
  CHECK(loss({.loss = Loss::l1}, {{p, t}}) == Approx(difference.mean().item<double>()));
  const at::Tensor smooth = at::where(difference < 0.5, difference.square(), difference - 0.25);
  CHECK(loss({.loss = Loss::smooth_l1, .beta = 0.5}, {{p, t}}) == Approx(smooth.mean().item<double>()));
  const at::Tensor a = p.narrow(1, 0, 1), b = t.narrow(1, 0, 1);
  const double mean = (difference.mean() + (a - b).abs().mean()).item<double>() / 2.0;
  CHECK(loss({.loss = Loss::l1}, {{p, t}, {a, b}}) == Approx(mean));
}

TEST_CASE("the target is the input, token by token, and what is logged are scalars without gradient") {
  PixelRegression objective = make({});
  CHECK(objective.target().source == Source::input);
  CHECK(objective.target().level == Level::tokens);
  const at::Tensor p = at::randn({2, 3, 48}).requires_grad_(true);
  const LossReport report = evaluate(objective, {{p, at::zeros({2, 3, 48})}});
  const std::map<std::string, at::Tensor> terms(report.terms.begin(), report.terms.end());
  CHECK(terms.at("reconstruction").item<double>() == Approx(report.total.item<double>()));
  CHECK(terms.at("target_std").item<double>() == 0.0);
  CHECK(terms.at("prediction_std").item<double>() > 0.0);
  for (const auto& [name, value] : terms) {
    INFO(name);
    CHECK(value.dim() == 0);
    CHECK_FALSE(value.requires_grad());
  }
}

TEST_CASE("no pairs, other shapes and patches of one value are errors") {
  PixelRegression objective = make({});
  CHECK_THROWS_AS(evaluate(objective, {}), Error);
  CHECK_THROWS_AS(evaluate(objective, {{at::zeros({2, 3, 48}), at::zeros({2, 1, 48})}}), Error);
  CHECK_THROWS_AS(make({.patch_norm = PatchNorm::patch_channel}, 3, 1), ConfigError);
  CHECK_THROWS_AS(make({.patch_norm = PatchNorm::patch}, 1, 1), ConfigError);
  CHECK_NOTHROW(make({.patch_norm = PatchNorm::none}, 1, 1));
}

}  // namespace

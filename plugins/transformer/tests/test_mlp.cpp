#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "mlp.h"

namespace {

using namespace cairn;
using nn::HeadNorm;
using transformer::MlpOptions;
using transformer::MlpPredictor;
using transformer::MlpProjector;
using transformer::ProjectorOptions;

TEST_CASE("a projector has the layers its options name") {
  ProjectorOptions options;
  options.hidden = 32;
  options.width = 16;
  options.layers = 3;
  options.last_norm = HeadNorm::plain;
  MlpProjector projector(options, {24});
  CHECK(projector.width() == 16);
  const at::Tensor out = projector.project(at::randn({64, 24}));
  CHECK(out.sizes() == at::IntArrayRef({64, 16}));
  CHECK(out.mean(0).abs().max().item<double>() < 1e-5);  // the last batch norm has neither scale nor shift
  CHECK(out.std(0, false).mean().item<double>() == Approx(1.0).epsilon(0.01));
  const auto parameters = projector.named_parameters();
  CHECK(parameters.contains("head.linear2.weight"));
  CHECK_FALSE(parameters.contains("head.linear2.bias"));
  CHECK_FALSE(parameters.contains("head.norm2.weight"));
  CHECK(parameters.contains("head.norm1.weight"));
}

TEST_CASE("one layer is a linear map") {
  ProjectorOptions options;
  options.layers = 1;
  options.width = 5;
  MlpProjector projector(options, {3});
  CHECK(projector.parameters().size() == 2);
  const at::Tensor x = at::randn({4, 3}), y = at::randn({4, 3});
  const at::Tensor sum = projector.project(x + y) + projector.project(at::zeros({4, 3}));
  CHECK(at::allclose(projector.project(x) + projector.project(y), sum, 1e-4, 1e-5));
}

TEST_CASE("a batch-normed head in evaluation does not mix samples") {
  MlpOptions options;
  options.hidden = 16;
  MlpPredictor predictor(options, PredictorSetting{8, 6, {}});
  Question question;
  question.level = Level::pooled;
  question.seen.pooled = at::randn({10, 8});
  predictor.predict(question);
  predictor.eval();
  const at::Tensor all = predictor.predict(question);
  CHECK(all.sizes() == at::IntArrayRef({10, 6}));
  question.seen.pooled = question.seen.pooled.narrow(0, 0, 1);
  CHECK(at::allclose(predictor.predict(question), all.narrow(0, 0, 1), 1e-4, 1e-5));
}

TEST_CASE("asked tokens are mapped one by one where they entered the encoder, and refused where not") {
  at::manual_seed(5);
  MlpOptions options;
  options.layers = 1;
  MlpPredictor predictor(options, PredictorSetting{8, 6, {}});
  Question question;
  question.seen_grid = question.asked_grid = {{3}, {Axis::time}};
  question.seen.tokens = at::randn({2, 3, 8});
  const at::Tensor all = predictor.predict(question);
  REQUIRE(all.sizes() == at::IntArrayRef({2, 3, 6}));
  question.asked_at.index = at::tensor({2, 0, 1, 1}, at::kLong).view({2, 2});
  const at::Tensor some = predictor.predict(question);
  REQUIRE(some.sizes() == at::IntArrayRef({2, 2, 6}));
  CHECK(at::allclose(some[0][0], all[0][2], 1e-4, 1e-5));
  CHECK(at::allclose(some[1][1], all[1][1], 1e-4, 1e-5));
  question.seen_at.index = at::zeros({2, 3}, at::kLong);
  CHECK_THROWS_WITH(predictor.predict(question), Catch::Contains("did not enter the encoder"));
  const Context dropped{0, question.seen_at, {}};
  CHECK_THROWS_WITH(predictor.check(dropped, {}), Catch::Contains("did not enter the encoder"));
  CHECK_NOTHROW(predictor.check(dropped, {0, 0, {}, Level::pooled, 0}));
  CHECK_NOTHROW(predictor.check({}, {}));
}

}  // namespace

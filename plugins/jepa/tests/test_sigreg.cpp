#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "latent_regression.h"
#include "sigreg.h"

namespace {

using namespace cairn;
using jepa::Sigreg;
using jepa::SigregOptions;
using jepa::VarianceCovariance;
using jepa::VarianceCovarianceOptions;

/// Views that ask about each other, without targets.
double loss_of(Objective& objective, const std::vector<at::Tensor>& views) {
  std::vector<Query> queries;
  for (int from = 0; from < static_cast<int>(views.size()); ++from)
    queries.push_back({from, from == 0 ? 1 : 0, {}, Level::pooled, 0});
  std::vector<Pair> pairs;
  for (const Query& query : queries) pairs.push_back({views[static_cast<std::size_t>(query.context)], {}, &query});
  StepView step;
  step.pairs = pairs;
  return objective.evaluate(step).total.item<double>();
}

TEST_CASE("sigreg is small for normal features, and large for collapsed and for scaled ones") {
  at::manual_seed(41);
  SigregOptions options;
  options.lambda = 1.0;
  Sigreg objective(options, {});
  const at::Tensor normal = at::randn({512, 8});
  const double good = loss_of(objective, {normal, at::randn({512, 8})});
  CHECK(good < 5.0);
  CHECK(loss_of(objective, {at::zeros({512, 8}), at::zeros({512, 8})}) > 20 * good);
  CHECK(loss_of(objective, {5 * normal, 5 * normal}) > 20 * good);
}

TEST_CASE("the invariance of sigreg is the distance to the mean view, for any number of views") {
  SigregOptions options;
  options.lambda = 0.0;
  Sigreg objective(options, {});
  const at::Tensor x = at::randn({4, 3});
  CHECK(loss_of(objective, {x, x, x}) == Approx(0.0).margin(1e-6));
  CHECK(loss_of(objective, {x, x + 3.0, x - 3.0}) == Approx(6.0));
}

TEST_CASE("directions are drawn anew at each step, and repeat with the generator") {
  SigregOptions options;
  options.slices = 4;
  Sigreg objective(options, {});
  const std::vector<at::Tensor> views = {at::randn({16, 8}), at::randn({16, 8})};
  at::manual_seed(1);
  const double first = loss_of(objective, views), second = loss_of(objective, views);
  at::manual_seed(1);
  CHECK(loss_of(objective, views) == first);
  CHECK(second != first);
}

TEST_CASE("one view, and tokens, are errors") {
  Sigreg objective({}, {});
  StepView empty;
  CHECK_THROWS_AS(objective.evaluate(empty), Error);
  CHECK_THROWS_AS(loss_of(objective, {at::zeros({2, 3, 4}), at::zeros({2, 3, 4})}), Error);
}

TEST_CASE("variance and covariance of the contexts, pooled or of all tokens") {
  at::manual_seed(42);
  Encoded seen;
  seen.tokens = at::randn({4, 5, 3});
  seen.pooled = seen.tokens.mean(1);
  const std::vector<Encoded> contexts = {seen};
  StepView step;
  step.contexts = contexts;
  for (const bool tokens : {false, true}) {
    VarianceCovarianceOptions options;
    options.tokens = tokens;
    options.gamma = 2.0;
    VarianceCovariance objective(options, {});
    const at::Tensor x = tokens ? seen.tokens.flatten(0, 1) : seen.pooled;
    const at::Tensor matrix = x.t().cov();
    const double variance = (2.0 - (matrix.diagonal() + 1e-4).sqrt()).clamp_min(0).mean().item<double>();
    const double covariance = ((matrix.square().sum() - matrix.diagonal().square().sum()) / 3.0).item<double>();
    CHECK(objective.evaluate(step).total.item<double>() == Approx(25 * variance + covariance).epsilon(1e-4));
    CHECK(objective.target().source == Source::none);
  }
}

TEST_CASE("latent regression can do without a teacher") {
  jepa::LatentRegressionOptions options;
  options.source = Source::student;
  CHECK(jepa::LatentRegression(options, {}).target().source == Source::student);
  options.source = Source::student_detached;
  CHECK(jepa::LatentRegression(options, {}).target().source == Source::student_detached);
}

}  // namespace

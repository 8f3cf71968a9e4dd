#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "maskers.h"
#include "prototypes.h"

namespace {

using namespace cairn;
using namespace cairn::contrastive;

std::vector<ViewLayout> layouts(std::size_t global, std::size_t local) {
  std::vector<ViewLayout> views(global, {{{4, 4}, {Axis::height, Axis::width}}, ViewRole::global});
  views.insert(views.end(), local, {{{2, 2}, {Axis::height, Axis::width}}, ViewRole::local});
  return views;
}

template <class M>
Plan plan_of(const M& masker, const std::vector<ViewLayout>& views) {
  Rng rng(0, Stream::plan);
  return masker.plan(views, 4, {}, rng);
}

TEST_CASE("cross: every view whole, every ordered pair of views once") {
  const Plan plan = plan_of(Cross({}), layouts(2, 1));
  REQUIRE(plan.contexts.size() == 3);
  REQUIRE(plan.queries.size() == 6);
  for (const Query& query : plan.queries) {
    CHECK(plan.contexts[static_cast<std::size_t>(query.context)].view != query.view);
    CHECK(query.level == Level::pooled);
    CHECK(query.where.all());
  }
  for (const Context& context : plan.contexts) CHECK(context.visible.all());
}

TEST_CASE("local_to_global: every view asks about the global ones, never about itself or a local one") {
  const Plan plan = plan_of(LocalToGlobal({}), layouts(2, 3));
  REQUIRE(plan.contexts.size() == 5);
  REQUIRE(plan.queries.size() == 2 + 3 * 2);
  for (const Query& query : plan.queries) {
    CHECK(query.view < 2);
    CHECK(query.view != query.context);
  }
}

TEST_CASE("iBOT's masks: the share of every global view, each token once, asked where they stand") {
  const LocalToGlobal masker(LocalToGlobalOptions{{0.3, 0.3}});
  for (std::uint64_t draw = 0; draw < 50; ++draw) {
    Rng rng(draw, Stream::plan);
    const Plan plan = masker.plan(layouts(2, 1), 4, {}, rng);
    REQUIRE(plan.queries.size() == 4 + 2);
    for (int view = 0; view < 2; ++view) {
      const Context& context = plan.contexts[static_cast<std::size_t>(view)];
      REQUIRE(context.masked.index.sizes() == at::IntArrayRef({4, 5}));
      REQUIRE((context.masked.index.diff(1, 1) > 0).all().item<bool>());
      REQUIRE(context.masked.index.min().item<std::int64_t>() >= 0);
      REQUIRE(context.masked.index.max().item<std::int64_t>() < 16);
      const Query& query = plan.queries[static_cast<std::size_t>(4 + view)];
      REQUIRE(query.level == Level::tokens);
      REQUIRE(query.view == view);
      REQUIRE(at::equal(query.where.index, context.masked.index));
    }
    REQUIRE(plan.contexts[2].masked.all());
  }
  CHECK_THROWS_AS(LocalToGlobal(LocalToGlobalOptions{{0.5, 0.1}}), ConfigError);
}

TEST_CASE("one view, or no global one, cannot be planned") {
  CHECK_THROWS_AS(plan_of(Cross({}), layouts(1, 0)), ConfigError);
  CHECK_THROWS_AS(plan_of(LocalToGlobal({}), layouts(1, 0)), ConfigError);
  CHECK_THROWS_AS(plan_of(LocalToGlobal({}), layouts(0, 2)), ConfigError);
}

PrototypesOptions small(PrototypeNorm norm) {
  PrototypesOptions options;
  options.hidden = 16;
  options.bottleneck = 8;
  options.prototypes = 12;
  options.prototype_norm = norm;
  return options;
}

TEST_CASE("scores are cosines, whatever the length of features and weights") {
  for (const PrototypeNorm norm : {PrototypeNorm::normed, PrototypeNorm::projected}) {
    Prototypes head(small(norm), {24});
    {
      const at::NoGradGuard no_grad;
      head.named_parameters()["prototypes"].mul_(7.0);
    }
    const at::Tensor scores = head.project(10.0 * at::randn({6, 24}));
    CHECK(scores.sizes() == at::IntArrayRef({6, 12}));
    CHECK(scores.abs().max().item<double>() <= 1.0 + 1e-5);
  }
}

TEST_CASE("projected prototypes have length 1 after a training pass, and two passes of a step differentiate") {
  Prototypes head(small(PrototypeNorm::projected), {24});
  const at::Tensor sum =
      head.project(at::randn({6, 24})).square().sum() + head.project(at::randn({4, 24})).square().sum();
  sum.backward();
  const at::Tensor weights = head.named_parameters()["prototypes"];
  CHECK(at::allclose(weights.norm(2, 1), at::ones({12})));
  CHECK(weights.grad().abs().sum().item<double>() > 0.0);
}

TEST_CASE("normed prototypes keep their weights, and get no gradient along them") {
  Prototypes head(small(PrototypeNorm::normed), {24});
  const at::Tensor before = head.named_parameters()["prototypes"].detach().clone();
  head.project(at::randn({6, 24})).square().sum().backward();
  const at::Tensor weights = head.named_parameters()["prototypes"];
  CHECK(at::equal(weights, before));
  CHECK((weights * weights.grad()).sum(1).abs().max().item<double>() < 1e-4);
}

}  // namespace

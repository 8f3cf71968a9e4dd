#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <set>

#include "cairn/error.h"
#include "multiblock.h"
#include "support/plans.h"

using cairn::Axis;
using cairn::ConfigError;
using cairn::Plan;
using cairn::Rng;
using cairn::Stream;
using cairn::ViewLayout;
using cairn::image::Multiblock;
using cairn::image::MultiblockOptions;
using cairn::test::require_disjoint;
using cairn::test::require_packed;
using cairn::test::require_sound;

namespace {

std::vector<ViewLayout> grid(std::int64_t height, std::int64_t width) {
  return {{{{height, width}, {Axis::height, Axis::width}}, cairn::ViewRole::global}};
}

Plan plan(const MultiblockOptions& options, std::int64_t height, std::int64_t width, std::int64_t batch, Rng& rng) {
  return Multiblock(options).plan(grid(height, width), batch, {}, rng);
}

/// Mean counts over plans: context after the cut, target.
std::array<double, 2> mean_counts(std::int64_t side, std::int64_t batch) {
  MultiblockOptions options;
  options.faithful = true;
  std::array<double, 2> sum = {0, 0};
  constexpr int kPlans = 60;
  for (int i = 0; i < kPlans; ++i) {
    Rng rng(1, Stream::plan, 0, static_cast<std::uint64_t>(i));
    const Plan p = plan(options, side, side, batch, rng);
    sum[0] += static_cast<double>(p.contexts[0].visible.index.size(1)) / kPlans;
    sum[1] += static_cast<double>(p.queries[0].where.index.size(1)) / kPlans;
  }
  return sum;
}

/// How often each token is in any target.
at::Tensor coverage(bool faithful, std::int64_t height, std::int64_t width) {
  MultiblockOptions options;
  options.faithful = faithful;
  options.min_keep = 4;
  at::Tensor count = at::zeros({height * width}, at::kLong);
  for (std::uint64_t i = 0; i < 40; ++i) {
    Rng rng(2, Stream::plan, 0, i);
    for (const auto& query : plan(options, height, width, 8, rng).queries) {
      const at::Tensor ids = query.where.index.reshape({-1});
      count.index_add_(0, ids, at::ones_like(ids));
    }
  }
  return count.view({height, width});
}

}  // namespace

TEST_CASE("multiblock: one context and four targets, sound and disjoint on every grid") {
  const auto [height, width] =
      GENERATE(table<int, int>({{6, 6}, {7, 5}, {8, 8}, {8, 32}, {4, 24}, {14, 14}, {16, 16}, {28, 28}}));
  MultiblockOptions options;
  options.contexts = GENERATE(1, 2);
  options.min_keep = 4;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    Rng rng(seed, Stream::plan);
    const Plan p = plan(options, height, width, 9, rng);
    REQUIRE(p.contexts.size() == static_cast<std::size_t>(options.contexts));
    REQUIRE(p.queries.size() == static_cast<std::size_t>(4 * options.contexts));
    REQUIRE_FALSE(p.may_overlap);
    for (const auto& context : p.contexts) require_sound(context.visible.index, 9, height * width);
    for (const auto& query : p.queries) require_sound(query.where.index, 9, height * width);
    require_disjoint(p, 9);
  }
}

TEST_CASE("multiblock: the plan is a function of the generator, which it moves on") {
  MultiblockOptions options;
  options.faithful = GENERATE(false, true);
  Rng first(3, Stream::plan), again(3, Stream::plan), other(4, Stream::plan);
  const Plan a = plan(options, 14, 14, 4, first), b = plan(options, 14, 14, 4, again),
             c = plan(options, 14, 14, 4, other);
  const Plan next = plan(options, 14, 14, 4, first);
  REQUIRE(a.contexts[0].visible.index.equal(b.contexts[0].visible.index));
  REQUIRE(a.queries[3].where.index.equal(b.queries[3].where.index));
  REQUIRE_FALSE(a.contexts[0].visible.index.equal(c.contexts[0].visible.index));
  REQUIRE_FALSE(a.contexts[0].visible.index.equal(next.contexts[0].visible.index));
}

TEST_CASE("multiblock: the published code's sizes (jepa.md 2.1)") {
  const auto [side, batch, context, target] = GENERATE(
      table<int, int, double, double>({{16, 128, 68, 45}, {14, 128, 51, 33}, {28, 16, 260, 140}, {16, 16, 80, 45}}));
  const auto counts = mean_counts(side, batch);
  CAPTURE(side, batch);
  CHECK(counts[0] == Approx(context).epsilon(0.06));
  CHECK(counts[1] == Approx(target).epsilon(0.04));
}

TEST_CASE("multiblock: only the published code never touches the last row and column") {
  const at::Tensor published = coverage(true, 12, 12), ours = coverage(false, 12, 9);
  CHECK(published[11].sum().item<std::int64_t>() == 0);
  CHECK(published.select(1, 11).sum().item<std::int64_t>() == 0);
  CHECK(published[10].sum().item<std::int64_t>() > 0);
  CHECK(ours.min().item<std::int64_t>() > 0);
}

TEST_CASE("multiblock: what is cut is random, but for the published code the end") {
  MultiblockOptions options;
  for (const bool faithful : {true, false}) {
    options.faithful = faithful;
    double top = 0, bottom = 0;
    for (std::uint64_t i = 0; i < 20; ++i) {
      Rng rng(5, Stream::plan, 0, i);
      const at::Tensor ids = plan(options, 16, 16, 64, rng).contexts[0].visible.index;
      top += (ids < 64).sum().item<double>();
      bottom += ((ids >= 176) & (ids < 240)).sum().item<double>();
    }
    CAPTURE(top, bottom);
    if (faithful) CHECK(bottom < 0.3 * top);
    if (!faithful) CHECK(bottom == Approx(top).epsilon(0.15));
  }
}

TEST_CASE("multiblock: rounding leaves few shapes, none of them empty") {
  MultiblockOptions options;
  options.round_to = 8;
  std::set<std::int64_t> counts;
  for (std::uint64_t i = 0; i < 20; ++i) {
    Rng rng(9, Stream::plan, 0, i);
    const Plan p = plan(options, 14, 14, 8, rng);
    require_disjoint(p, 8);
    counts.insert(p.contexts[0].visible.index.size(1));
    for (const auto& query : p.queries) counts.insert(query.where.index.size(1));
  }
  for (const std::int64_t count : counts) CHECK(count % 8 == 0);
  CHECK(counts.size() < 14);
  options.min_keep = 0;
  Rng rng(9, Stream::plan);
  require_sound(plan(options, 4, 4, 8, rng).queries[0].where.index, 8, 16);  // blocks of three tokens
}

TEST_CASE("multiblock: joint asks about the union of the blocks once") {
  MultiblockOptions options;
  options.joint = true;
  Rng rng(6, Stream::plan);
  const Plan p = plan(options, 14, 14, 8, rng);
  REQUIRE(p.queries.size() == 1);
  require_sound(p.queries[0].where.index, 8, 196);
  require_disjoint(p, 8);
  CHECK(p.queries[0].where.index.size(1) > 60);
}

TEST_CASE("multiblock: overlap only where it is asked for") {
  MultiblockOptions options;
  options.allow_overlap = true;
  Rng rng(7, Stream::plan);
  const Plan p = plan(options, 14, 14, 8, rng);
  CHECK(p.may_overlap);
  CHECK(p.contexts[0].visible.index.size(1) > 150);
}

TEST_CASE("multiblock: the published code says so when it lets the context see targets") {
  MultiblockOptions options;
  options.faithful = true;
  options.targets = 30;
  Rng rng(8, Stream::plan);
  CHECK(plan(options, 14, 14, 8, rng).may_overlap);
}

TEST_CASE("multiblock: a grid that cannot be divided is refused in words") {
  MultiblockOptions options;
  Rng rng(9, Stream::plan);
  REQUIRE_THROWS_WITH(plan(options, 3, 3, 2, rng), Catch::Contains("min_keep") && Catch::Contains("3 x 3"));
  options.min_keep = 0;
  options.target_scale = {1, 1};
  REQUIRE_THROWS_AS(plan(options, 8, 8, 2, rng), ConfigError);
  MultiblockOptions faithful;
  faithful.faithful = true;
  REQUIRE_THROWS_WITH(plan(faithful, 6, 6, 2, rng), Catch::Contains("for ever"));
  const std::vector<ViewLayout> clip = {
      {{{8, 14, 14}, {Axis::time, Axis::height, Axis::width}}, cairn::ViewRole::global}};
  REQUIRE_THROWS_AS(Multiblock({}).plan(clip, 2, {}, rng), ConfigError);
  MultiblockOptions upside_down;
  upside_down.target_scale = {0.3, 0.2};
  REQUIRE_THROWS_WITH(Multiblock(upside_down), Catch::Contains("target_scale"));
}

TEST_CASE("multiblock: packed contexts are whole, the targets as they were") {
  MultiblockOptions options;
  options.contexts = 2;
  std::int64_t more = 0;
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    options.packed = false;
    Rng rng(seed, Stream::plan), same(seed, Stream::plan);
    const Plan cut = plan(options, 14, 14, 8, rng);
    options.packed = true;
    const Plan packed = plan(options, 14, 14, 8, same);
    require_packed(packed.contexts[0].visible, cut.contexts[0].visible);
    for (std::size_t row = 0; row < 8; ++row)
      more += packed.contexts[0].visible.lengths[row] - cut.contexts[0].visible.index.size(1);
    const auto seen = [&](std::int64_t row) { return cairn::test::row_of(packed.contexts[0].visible.index, row); };
    for (std::int64_t row = 0; row < 8; ++row)
      for (std::size_t query = 0; query < 4; ++query)
        for (const std::int64_t id : cairn::test::row_of(packed.queries[query].where.index, row))
          REQUIRE_FALSE(seen(row).contains(id));
  }
  CHECK(more > 100);
  options.round_to = 8;
  CHECK_THROWS_AS(Multiblock(options), ConfigError);
  options.round_to = 1;
  options.faithful = true;
  CHECK_THROWS_AS(Multiblock(options), ConfigError);
}

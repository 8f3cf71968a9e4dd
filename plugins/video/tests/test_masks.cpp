#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <set>

#include "cairn/error.h"
#include "masks.h"
#include "support/plans.h"

using cairn::Axis;
using cairn::ConfigError;
using cairn::Masker;
using cairn::Plan;
using cairn::Rng;
using cairn::Stream;
using cairn::ViewLayout;
using cairn::test::require_disjoint;
using cairn::test::require_packed;
using cairn::test::require_sound;
using cairn::test::row_of;
using namespace cairn::video;

namespace {

std::vector<ViewLayout> grid(std::int64_t time, std::int64_t height, std::int64_t width) {
  return {{{{time, height, width}, {Axis::time, Axis::height, Axis::width}}, cairn::ViewRole::global}};
}

Plan plan(const Masker& masker, const std::vector<ViewLayout>& views, std::int64_t batch, std::uint64_t seed = 0) {
  Rng rng(seed, Stream::plan);
  return masker.plan(views, batch, {}, rng);
}

/// Every context and query sound, and every query apart from its context.
void require_sound_plan(const Plan& plan, std::int64_t batch, std::int64_t tokens) {
  REQUIRE_FALSE(plan.may_overlap);
  for (const auto& context : plan.contexts) require_sound(context.visible.index, batch, tokens);
  for (const auto& query : plan.queries) require_sound(query.where.index, batch, tokens);
  require_disjoint(plan, batch);
}

/// Mean shares of the grid over plans: context and target of a group, after the cut.
std::array<double, 2> mean_shares(std::int64_t side, std::size_t group) {
  MultiblockOptions options;
  options.faithful = true;
  std::array<double, 2> sum = {0, 0};
  constexpr int kPlans = 40;
  for (int i = 0; i < kPlans; ++i) {
    const Plan p = plan(Multiblock(options), grid(8, side, side), 24, static_cast<std::uint64_t>(i));
    const double tokens = 8.0 * static_cast<double>(side * side);
    sum[0] += static_cast<double>(p.contexts[group].visible.index.size(1)) / tokens / kPlans;
    sum[1] += static_cast<double>(p.queries[group].where.index.size(1)) / tokens / kPlans;
  }
  return sum;
}

}  // namespace

TEST_CASE("video.multiblock: two groups, sound and disjoint on every grid") {
  const auto [time, height, width] =
      GENERATE(table<int, int, int>({{1, 14, 14}, {4, 4, 4}, {8, 6, 6}, {8, 14, 14}, {3, 8, 5}, {2, 6, 20}}));
  MultiblockOptions options;
  options.temporal_scale = {0.5, 1.0};
  options.blocks = 4;
  options.faithful = GENERATE(false, true);
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    const Plan p = plan(Multiblock(options), grid(time, height, width), 5, seed);
    REQUIRE(p.contexts.size() == 2);
    REQUIRE(p.queries.size() == 2);
    REQUIRE(p.queries[0].group == 0);
    REQUIRE(p.queries[1].group == 1);
    require_sound_plan(p, 5, time * height * width);
  }
}

TEST_CASE("video.multiblock: the published code's shares (jepa.md 2.2)") {
  const auto [side, group, context, target] = GENERATE(table<int, int, double, double>(
      {{14, 0, 0.23, 0.48}, {14, 1, 0.055, 0.70}, {16, 0, 0.25, 0.47}, {16, 1, 0.06, 0.70}}));
  const auto shares = mean_shares(side, static_cast<std::size_t>(group));
  CAPTURE(side, group);
  CHECK(shares[0] == Approx(context).margin(0.025));
  CHECK(shares[1] == Approx(target).margin(0.03));
}

TEST_CASE("video.multiblock: blocks last as long and cover as much as asked") {
  MultiblockOptions options;
  options.blocks = 1;
  options.long_blocks = 0;
  options.spatial_scale = {0.25, 0.25};
  options.aspect_ratio = {1, 1};
  options.temporal_scale = {0.5, 0.5};
  const Plan p = plan(Multiblock(options), grid(8, 8, 8), 6);
  REQUIRE(p.contexts.size() == 1);
  REQUIRE(p.queries[0].where.index.size(1) == 4 * 4 * 4);
  REQUIRE(p.contexts[0].visible.index.size(1) == 8 * 8 * 8 - 64);
}

TEST_CASE("video.multiblock: the future beyond max_temporal_keep is never seen, and all of it is asked about") {
  MultiblockOptions options;
  options.max_temporal_keep = options.long_max_temporal_keep = 0.5;
  options.full_complement = true;
  const Plan p = plan(Multiblock(options), grid(8, 6, 6), 4);
  for (const auto& context : p.contexts) REQUIRE(context.visible.index.max().item<std::int64_t>() < 4 * 36);
  require_sound_plan(p, 4, 8 * 36);
}

TEST_CASE("video.multiblock: of the time something is always kept") {
  MultiblockOptions options;
  options.max_temporal_keep = options.long_max_temporal_keep = 0.1;
  const Plan p = plan(Multiblock(options), grid(4, 8, 8), 4);
  for (const auto& context : p.contexts) REQUIRE(context.visible.index.max().item<std::int64_t>() < 64);
}

TEST_CASE("video.multiblock: a complement leaves no token out") {
  MultiblockOptions options;
  options.full_complement = GENERATE(true, false);
  options.pred_full_complement = !options.full_complement;
  options.inverse = GENERATE(false, true);
  const Plan p = plan(Multiblock(options), grid(4, 8, 8), 6);
  require_sound_plan(p, 6, 256);
  for (std::size_t g = 0; g < 2; ++g)
    REQUIRE(p.contexts[g].visible.index.size(1) + p.queries[g].where.index.size(1) == 256);
}

TEST_CASE("video.multiblock: inverse swaps the sides, max_keep bounds the context, one mask token may serve both") {
  MultiblockOptions options;
  options.long_blocks = 0;
  options.max_keep = 10;
  options.shared_mask_token = true;
  const Plan plain = plan(Multiblock(options), grid(4, 8, 8), 3);
  REQUIRE(plain.contexts[0].visible.index.size(1) == 10);
  options.inverse = true;
  const Plan swapped = plan(Multiblock(options), grid(4, 8, 8), 3);
  REQUIRE(swapped.contexts[0].visible.index.equal(plain.queries[0].where.index));
  REQUIRE(swapped.queries[0].where.index.equal(plain.contexts[0].visible.index));
  options.long_blocks = 2;
  for (const auto& query : plan(Multiblock(options), grid(4, 8, 8), 3).queries) REQUIRE(query.group == 0);
}

TEST_CASE("video.multiblock: seen tokens may be asked about as well") {
  MultiblockOptions options;
  options.ask_seen = true;
  const Plan p = plan(Multiblock(options), grid(4, 8, 8), 3);
  REQUIRE(p.queries.size() == 2);
  for (const std::size_t g : {0U, 1U}) {
    const auto& query = p.queries[g];
    REQUIRE(query.seen_too);
    REQUIRE(query.group == static_cast<int>(g));
    const at::Tensor& seen = p.contexts[g].visible.index;
    const std::int64_t hidden = query.where.index.size(1) - seen.size(1);
    require_sound(query.where.index.narrow(1, 0, hidden), 3, 256);
    REQUIRE(query.where.index.narrow(1, hidden, seen.size(1)).equal(seen));
    for (std::int64_t row = 0; row < 3; ++row)
      REQUIRE(row_of(query.where.index, row).size() == static_cast<std::size_t>(query.where.index.size(1)));
  }
}

TEST_CASE("video.multiblock: pictures have blocks of their own, in one group") {
  MultiblockOptions options;
  options.picture_blocks = 3;
  options.picture_spatial_scale = {0.1, 0.1};
  options.ask_seen = GENERATE(false, true);
  options.shared_mask_token = GENERATE(false, true);
  const Plan picture = plan(Multiblock(options), grid(1, 10, 10), 8);
  for (const auto& context : picture.contexts) require_sound(context.visible.index, 8, 100);
  REQUIRE(picture.contexts.size() == 1);
  REQUIRE(picture.queries.at(0).group == 0);
  // Three blocks of at most a tenth, of rounded sides, leave two thirds or more.
  REQUIRE(picture.contexts[0].visible.index.size(1) >= 64);
  REQUIRE(plan(Multiblock(options), grid(2, 10, 10), 8).contexts.size() == 2);
  options.picture_blocks = 0;
  REQUIRE(plan(Multiblock(options), grid(1, 10, 10), 8).contexts.size() == 2);
}

TEST_CASE("video.multiblock: with faithful off the end of the clip is seen as often as its start") {
  MultiblockOptions options;
  options.faithful = GENERATE(false, true);
  at::Tensor count = at::zeros({8}, at::kLong);
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const at::Tensor ids = plan(Multiblock(options), grid(8, 6, 6), 8, seed).contexts[1].visible.index.reshape({-1});
    count.index_add_(0, ids.floor_divide(36), at::ones_like(ids));
  }
  const double first = count[0].item<double>(), last = count[7].item<double>();
  CAPTURE(options.faithful, first, last);
  CHECK((last > 0.75 * first) == !options.faithful);
}

TEST_CASE("video.multiblock: wrong use") {
  MultiblockOptions options;
  options.aspect_ratio = {1.5, 0.75};
  REQUIRE_THROWS_AS(Multiblock(options), ConfigError);
  options = {};
  options.full_complement = options.pred_full_complement = true;
  REQUIRE_THROWS_AS(Multiblock(options), ConfigError);
  options = {};
  options.spatial_scale = options.aspect_ratio = {1, 1};
  REQUIRE_THROWS_AS(plan(Multiblock(options), grid(4, 4, 4), 2), ConfigError);
  options = {};
  options.long_spatial_scale = options.long_aspect_ratio = {1, 1};
  REQUIRE_THROWS_WITH(plan(Multiblock(options), grid(4, 4, 4), 2), Catch::Contains("long_spatial_scale"));
  const std::vector<ViewLayout> sound = {{{{64}, {Axis::time}}, cairn::ViewRole::global}};
  REQUIRE_THROWS_AS(plan(Multiblock({}), sound, 2), ConfigError);
}

TEST_CASE("video.tube: the same places at all times, the published number of them") {
  const Plan p = plan(Tube({}), grid(8, 14, 14), 5);
  require_sound_plan(p, 5, 8 * 196);
  REQUIRE(p.contexts[0].visible.index.size(1) == 8 * 19);  // floor(196 * 0.1)
  for (std::int64_t row = 0; row < 5; ++row) {
    std::set<std::int64_t> places;
    for (const std::int64_t id : row_of(p.contexts[0].visible.index, row)) places.insert(id % 196);
    REQUIRE(places.size() == 19);
  }
  REQUIRE(p.contexts[0].visible.index.size(1) + p.queries[0].where.index.size(1) == 8 * 196);
  TubeOptions options;
  options.hidden_share = 0.99;
  REQUIRE_THROWS_AS(plan(Tube(options), grid(4, 4, 4), 2), ConfigError);
}

TEST_CASE("video.causal: the past predicts the future") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Plan p = plan(Causal({}), grid(8, 3, 3), 4, seed);
    require_sound_plan(p, 4, 72);
    const std::int64_t seen = p.contexts[0].visible.index.size(1) / 9;
    REQUIRE(seen >= 2);
    REQUIRE(seen <= 6);
    REQUIRE(p.queries[0].where.index.min().item<std::int64_t>() == seen * 9);
    REQUIRE(p.queries[0].where.index.max().item<std::int64_t>() == 71);
  }
  CausalOptions near;
  near.seen_share = {0.5, 0.5};
  near.horizon = 0.25;
  REQUIRE(plan(Causal(near), grid(8, 3, 3), 2).queries[0].where.index.max().item<std::int64_t>() == 5 * 9 - 1);
  REQUIRE_THROWS_AS(plan(Causal({}), grid(1, 3, 3), 2), ConfigError);
  near.seen_share = {0.9, 0.1};
  REQUIRE_THROWS_AS(Causal(near), ConfigError);
}

TEST_CASE("masks of clips: the plan is a function of the generator, which it moves on") {
  const Multiblock masker({});
  Rng first(3, Stream::plan), again(3, Stream::plan);
  const Plan a = masker.plan(grid(4, 8, 8), 4, {}, first), b = masker.plan(grid(4, 8, 8), 4, {}, again);
  const Plan next = masker.plan(grid(4, 8, 8), 4, {}, first);
  REQUIRE(a.contexts[0].visible.index.equal(b.contexts[0].visible.index));
  REQUIRE(a.queries[1].where.index.equal(b.queries[1].where.index));
  REQUIRE_FALSE(a.queries[0].where.index.equal(next.queries[0].where.index));
}

TEST_CASE("video.multiblock: packed contexts are whole; what cuts them is refused") {
  MultiblockOptions options;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    options.packed = false;
    const Plan cut = plan(Multiblock(options), grid(4, 8, 8), 8, seed);
    options.packed = true;
    const Plan packed = plan(Multiblock(options), grid(4, 8, 8), 8, seed);
    require_packed(packed.contexts[0].visible, cut.contexts[0].visible);
  }
  for (bool MultiblockOptions::*other : {&MultiblockOptions::full_complement, &MultiblockOptions::inverse,
                                         &MultiblockOptions::ask_seen, &MultiblockOptions::faithful}) {
    MultiblockOptions both = options;
    both.*other = true;
    CHECK_THROWS_AS(Multiblock(both), ConfigError);
  }
  options.max_keep = 20;
  CHECK_THROWS_AS(Multiblock(options), ConfigError);
}

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <set>

#include "cairn/error.h"
#include "masks.h"
#include "support/plans.h"

using cairn::Axis;
using cairn::ConfigError;
using cairn::Plan;
using cairn::Progress;
using cairn::Rng;
using cairn::Stream;
using cairn::ViewLayout;
using cairn::test::require_disjoint;
using cairn::test::require_packed;
using cairn::test::require_sound;
using cairn::test::row_of;
using namespace cairn::audio;

namespace {

/// Bands first, or slots first.
std::vector<ViewLayout> grid(std::int64_t first, std::int64_t second, bool bands_first) {
  const std::vector<Axis> axes =
      bands_first ? std::vector{Axis::frequency, Axis::time} : std::vector{Axis::time, Axis::frequency};
  return {{{{first, second}, axes}, cairn::ViewRole::global}};
}

/// Share of the grid that one target block covers, over many plans; how often each token is asked about.
std::pair<double, at::Tensor> target_statistics(const cairn::Masker& masker, std::int64_t first, std::int64_t second,
                                                bool bands_first) {
  at::Tensor count = at::zeros({first * second}, at::kLong);
  double covered = 0;
  constexpr int kPlans = 300;
  for (std::uint64_t i = 0; i < kPlans; ++i) {
    Rng rng(5, Stream::plan, 0, i);
    const Plan plan = masker.plan(grid(first, second, bands_first), 4, {}, rng);
    covered += static_cast<double>(plan.queries[0].where.index.size(1)) / static_cast<double>(first * second) / kPlans;
    for (const auto& query : plan.queries) {
      const at::Tensor ids = query.where.index.flatten();
      count.index_add_(0, ids, at::ones_like(ids));
    }
  }
  return {covered, count.view({first, second})};
}

}  // namespace

TEST_CASE("audio masks: sound and disjoint on grids of every shape and order of axes") {
  const auto [first, second] =
      GENERATE(table<int, int>({{8, 64}, {64, 8}, {5, 38}, {8, 6}, {12, 8}, {1, 40}, {16, 16}}));
  const bool bands_first = GENERATE(false, true);
  BlockOptions options;
  options.min_keep = 2;
  options.joint = GENERATE(false, true);
  options.exclude_times = GENERATE(false, true);
  options.relative_aspect = GENERATE(false, true);
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    Rng rng(seed, Stream::plan);
    const Plan plan = Multiblock(options).plan(grid(first, second, bands_first), 5, {}, rng);
    REQUIRE(plan.contexts.size() == 1);
    REQUIRE(plan.queries.size() == (options.joint ? 1 : 4));
    REQUIRE_FALSE(plan.may_overlap);
    require_sound(plan.contexts[0].visible.index, 5, first * second);
    for (const auto& query : plan.queries) require_sound(query.where.index, 5, first * second);
    require_disjoint(plan, 5);
  }
}

TEST_CASE("audio masks: blocks keep their area and reach every token where I-JEPA's sampler does not") {
  const auto [first, second] = GENERATE(table<int, int>({{8, 64}, {64, 8}, {5, 38}}));
  BlockOptions options;
  options.relative_aspect = GENERATE(false, true);
  const bool bands_first = GENERATE(false, true);
  const auto [covered, count] = target_statistics(Multiblock(options), first, second, bands_first);
  CAPTURE(first, second, options.relative_aspect, covered);
  CHECK(covered == Approx(0.175).epsilon(0.06));
  CHECK(count.min().item<std::int64_t>() > 0);
}

TEST_CASE("audio masks: a relative aspect follows the order of the axes") {
  BlockOptions options;
  options.aspect_ratio = {4, 4};  // four times as many bands as slots
  options.target_scale = {0.25, 0.25};
  options.relative_aspect = false;
  options.targets = 1;
  Rng rng(1, Stream::plan);
  for (const bool bands_first : {false, true}) {
    const Plan plan = Multiblock(options).plan(grid(16, 16, bands_first), 1, {}, rng);
    const at::Tensor ids = plan.queries[0].where.index[0];
    const at::Tensor rows = ids.floor_divide(16), columns = ids.remainder(16);
    const auto height = (rows.max() - rows.min() + 1).item<std::int64_t>();
    const auto width = (columns.max() - columns.min() + 1).item<std::int64_t>();
    CHECK(height == (bands_first ? 16 : 4));
    CHECK(width == (bands_first ? 4 : 16));
  }
}

TEST_CASE("audio masks: time-frequency masking leaves no slot and no band of a target in the context") {
  const bool bands_first = GENERATE(false, true);
  TimeFrequencyOptions options;
  options.exclude_times = GENERATE(false, true);
  options.exclude_bands = GENERATE(false, true);
  const std::int64_t rows = bands_first ? 8 : 64, columns = bands_first ? 64 : 8;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    Rng rng(seed, Stream::plan);
    const Plan plan = TimeFrequency(options).plan(grid(rows, columns, bands_first), 6, {}, rng);
    REQUIRE(plan.queries.size() == 3);
    require_disjoint(plan, 6);
    const at::Tensor seen = plan.contexts[0].visible.index;
    REQUIRE(seen.size(1) > options.min_keep);
    for (std::int64_t row = 0; row < 6; ++row) {
      std::set<std::int64_t> slots, bands;
      const auto slot_of = [&](std::int64_t id) { return bands_first ? id % columns : id / columns; };
      const auto band_of = [&](std::int64_t id) { return bands_first ? id / columns : id % columns; };
      for (const std::int64_t id : row_of(seen, row)) slots.insert(slot_of(id)), bands.insert(band_of(id));
      for (const auto& query : plan.queries)
        for (const std::int64_t id : row_of(query.where.index, row)) {
          if (options.exclude_times) REQUIRE_FALSE(slots.contains(slot_of(id)));
          if (options.exclude_bands) REQUIRE_FALSE(bands.contains(band_of(id)));
        }
    }
  }
}

TEST_CASE("audio masks: A-JEPA's time-frequency masking leaves about an eighth of 8 x 64") {
  double left = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    Rng rng(7, Stream::plan, 0, i);
    TimeFrequencyOptions options;
    options.min_keep = 0;
    options.relative_aspect = false;
    const Plan plan = TimeFrequency(options).plan(grid(8, 64, true), 1, {}, rng);
    left += static_cast<double>(plan.contexts[0].visible.index.size(1)) / 512 / 400;
  }
  CHECK(left == Approx(0.126).epsilon(0.25));
}

TEST_CASE("audio masks: the curriculum moves from one masking to the other") {
  CurriculumOptions options;
  options.from = Phase::random;
  const Curriculum curriculum(options);
  const auto competence = [&](std::int64_t step) { return curriculum.competence({step, 10000, 0}); };
  CHECK(competence(0) == Approx(1e-4));
  CHECK(competence(2500) == Approx(0.5).epsilon(1e-3));
  CHECK(competence(10000) == 1.0);
  CHECK(competence(20000) == 1.0);
  const auto later = [&](std::int64_t step) {
    int count = 0;
    for (std::uint64_t i = 0; i < 200; ++i) {
      Rng rng(9, Stream::plan, 0, i);
      const Plan plan = curriculum.plan(grid(64, 8, false), 2, {step, 10000, 0}, rng);
      count += plan.queries.size() == 3;  // random masking asks in one query
    }
    return count;
  };
  CHECK(later(0) <= 2);
  CHECK(later(2500) > 70);
  CHECK(later(2500) < 130);
  CHECK(later(10000) == 200);
}

TEST_CASE("audio masks: random masking within the curriculum sees a share and asks about the rest") {
  CurriculumOptions options;
  options.from = options.to = Phase::random;
  options.context_share = 0.25;
  Rng rng(1, Stream::plan);
  const Plan plan = Curriculum(options).plan(grid(8, 64, true), 3, {}, rng);
  REQUIRE(plan.contexts[0].visible.index.size(1) == 128);
  REQUIRE(plan.queries.size() == 1);
  REQUIRE(plan.queries[0].where.index.size(1) == 384);
  require_sound(plan.contexts[0].visible.index, 3, 512);
  require_sound(plan.queries[0].where.index, 3, 512);
  require_disjoint(plan, 3);
}

TEST_CASE("audio masks: options that cannot work say so") {
  Rng rng(1, Stream::plan);
  BlockOptions upside_down;
  upside_down.target_scale = {0.3, 0.2};
  CHECK_THROWS_AS(Multiblock(upside_down), ConfigError);
  BlockOptions everything;
  everything.target_scale = {1, 1};
  CHECK_THROWS_AS(Multiblock(everything).plan(grid(8, 8, true), 2, {}, rng), ConfigError);
  const std::vector<ViewLayout> wave = {{{{40}, {Axis::time}}, cairn::ViewRole::global}};
  CHECK_THROWS_AS(Multiblock(BlockOptions()).plan(wave, 2, {}, rng), ConfigError);
  CurriculumOptions blind;
  blind.from = blind.to = Phase::random;
  blind.context_share = 0;
  CHECK_THROWS_AS(Curriculum(blind).plan(grid(8, 8, true), 2, {}, rng), ConfigError);
}

TEST_CASE("audio masks: a curriculum names the option of the phase that is wrong") {
  const auto key = [](const CurriculumOptions& options) {
    try {
      Rng rng(0, Stream::plan);
      Curriculum(options).plan(grid(8, 8, true), 2, {}, rng);
    } catch (const ConfigError& error) {
      return error.key();
    }
    return std::string();
  };
  CurriculumOptions upside_down;
  static_cast<TimeFrequencyOptions&>(upside_down).target_scale = {0.5, 0.1};
  CHECK(key(upside_down) == "time_frequency_target_scale");
  CurriculumOptions everything;
  everything.to = Phase::multiblock;
  static_cast<MultiblockOptions&>(everything).target_scale = {1.0, 1.0};
  CHECK(key(everything) == "multiblock_target_scale");
}

TEST_CASE("audio masks: the plan is a function of the generator") {
  Rng first(3, Stream::plan), again(3, Stream::plan), other(4, Stream::plan);
  const Multiblock masker{BlockOptions()};
  const Plan a = masker.plan(grid(8, 64, true), 4, {}, first), b = masker.plan(grid(8, 64, true), 4, {}, again),
             c = masker.plan(grid(8, 64, true), 4, {}, other);
  CHECK(a.contexts[0].visible.index.equal(b.contexts[0].visible.index));
  CHECK_FALSE(a.contexts[0].visible.index.equal(c.contexts[0].visible.index));
}

TEST_CASE("audio masks: packed contexts are whole") {
  TimeFrequencyOptions options;
  options.min_keep = 2;
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    options.packed = false;
    Rng rng(seed, Stream::plan), same(seed, Stream::plan);
    const Plan cut = Multiblock(options).plan(grid(8, 26, true), 8, {}, rng);
    options.packed = true;
    const Plan packed = Multiblock(options).plan(grid(8, 26, true), 8, {}, same);
    require_packed(packed.contexts[0].visible, cut.contexts[0].visible);
  }
}

#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <set>

#include "cairn/error.h"
#include "random.h"

namespace {

using namespace cairn;
using transformer::RandomMasker;
using transformer::RandomOptions;

ViewLayout layout(std::vector<std::int64_t> extent) {
  return {{extent, std::vector<Axis>(extent.size(), Axis::other)}, ViewRole::global};
}

Plan plan(const RandomOptions& options, const std::vector<ViewLayout>& views, std::int64_t batch, std::uint64_t seed) {
  Rng rng(seed, Stream::plan);
  return RandomMasker(options).plan(views, batch, {}, rng);
}

std::vector<std::int64_t> row(const at::Tensor& index, std::int64_t i) {
  const auto* begin = index.data_ptr<std::int64_t>() + i * index.size(1);
  return {begin, begin + index.size(1)};
}

TEST_CASE("context and query are sorted, distinct, disjoint, and cover the grid unless told otherwise") {
  Rng dice(7, Stream::user);
  for (int trial = 0; trial < 100; ++trial) {
    const std::int64_t height = dice.integer(2, 12), width = dice.integer(2, 12), count = height * width;
    RandomOptions options;
    options.context_share = dice.uniform(0.3, 0.7);
    options.contexts = dice.integer(1, 3);
    if (trial % 2 == 1) options.target_share = 0.3;
    const Plan made = plan(options, {layout({height, width})}, 5, static_cast<std::uint64_t>(trial));
    REQUIRE(made.contexts.size() == static_cast<std::size_t>(options.contexts));
    REQUIRE(made.queries.size() == made.contexts.size());
    CHECK_FALSE(made.may_overlap);
    for (std::size_t q = 0; q < made.queries.size(); ++q) {
      REQUIRE(made.queries[q].context == static_cast<int>(q));
      const at::Tensor &seen = made.contexts[q].visible.index, &asked = made.queries[q].where.index;
      CHECK(seen.size(1) == static_cast<std::int64_t>(options.context_share * static_cast<double>(count) + 1e-9));
      if (trial % 2 == 0) CHECK(seen.size(1) + asked.size(1) == count);
      for (std::int64_t b = 0; b < 5; ++b) {
        const auto s = row(seen, b), a = row(asked, b);
        CHECK(std::is_sorted(s.begin(), s.end()));
        CHECK(std::is_sorted(a.begin(), a.end()));
        std::set<std::int64_t> both(s.begin(), s.end());
        both.insert(a.begin(), a.end());
        CHECK(both.size() == s.size() + a.size());
        CHECK(*both.begin() >= 0);
        CHECK(*both.rbegin() < count);
      }
    }
  }
}

TEST_CASE("every token is seen equally often, rows and contexts differ, and the seed decides") {
  RandomOptions options;
  options.contexts = 2;
  const Plan made = plan(options, {layout({4, 4})}, 2000, 1);
  const at::Tensor& seen = made.contexts[0].visible.index;
  const at::Tensor often = at::bincount(seen.view(-1), {}, 16).to(at::kDouble) / 2000;
  CHECK((often - 0.25).abs().max().item<double>() < 0.05);
  CHECK_FALSE(at::equal(seen[0], seen[1]));
  CHECK_FALSE(at::equal(seen, made.contexts[1].visible.index));
  CHECK(at::equal(seen, plan(options, {layout({4, 4})}, 2000, 1).contexts[0].visible.index));
  CHECK_FALSE(at::equal(seen, plan(options, {layout({4, 4})}, 2000, 2).contexts[0].visible.index));
}

TEST_CASE("MAE keeps 49 of 196 tokens; every view gets its contexts") {
  const Plan made = plan({}, {layout({14, 14}), layout({6, 6})}, 2, 1);
  REQUIRE(made.contexts.size() == 2);
  CHECK(made.contexts[0].visible.index.size(1) == 49);
  CHECK(made.contexts[1].visible.index.size(1) == 9);
  CHECK(made.contexts[1].view == 1);
  CHECK(made.queries[1].view == 1);
}

TEST_CASE("units are seen and hidden whole, over any number of axes") {
  Rng dice(8, Stream::user);
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<std::int64_t> unit, extent;
    for (std::int64_t a = dice.integer(1, 3); a > 0; --a) {
      unit.push_back(dice.integer(1, 3));
      extent.push_back(unit.back() * dice.integer(2, 4));
    }
    RandomOptions options;
    options.context_share = 0.5;
    options.unit = unit;
    const Plan made = plan(options, {layout(extent)}, 3, static_cast<std::uint64_t>(trial));
    const at::Tensor& seen = made.contexts[0].visible.index;
    at::Tensor map = at::zeros({3, layout(extent).grid.count()}).scatter_(1, seen, 1.0);
    std::vector<std::int64_t> split = {3}, inside;
    for (std::size_t a = 0; a < unit.size(); ++a) {
      split.push_back(extent[a] / unit[a]);
      split.push_back(unit[a]);
      inside.push_back(2 + 2 * static_cast<std::int64_t>(a));
    }
    const at::Tensor share = map.view(split).mean(inside);
    CHECK(((share == 0.0) | (share == 1.0)).all().item<bool>());
    CHECK(seen.size(1) + made.queries[0].where.index.size(1) == map.size(1));
  }
}

TEST_CASE("a unit of 0 is the whole axis: the tubes of VideoMAE") {
  RandomOptions options;
  options.context_share = 0.1;
  options.unit = {0, 1, 1};
  const Plan made = plan(options, {layout({8, 14, 14})}, 2, 3);
  const at::Tensor seen = made.contexts[0].visible.index.view({2, 8, 19});  // int(0.1 * 196) places, 8 times
  for (int time = 1; time < 8; ++time) CHECK(at::equal(seen.select(1, time), seen.select(1, 0) + 196 * time));
}

TEST_CASE("SimMIM masks 120 of 196 tokens in blocks, and shows the rest in place") {
  RandomOptions options;
  options.context_share = 0.4;
  options.unit = {2, 2};
  options.hide = transformer::Hide::mask;
  const Plan made = plan(options, {layout({14, 14})}, 4, 1);
  CHECK(made.contexts[0].visible.all());
  CHECK(made.contexts[0].masked.index.size(1) == 120);
  CHECK(at::equal(made.contexts[0].masked.index, made.queries[0].where.index));
  options.target_share = 0.2;
  const Plan fewer = plan(options, {layout({14, 14})}, 4, 1);
  CHECK(fewer.contexts[0].masked.index.size(1) == 120);
  CHECK(fewer.queries[0].where.index.size(1) == 36);
}

TEST_CASE("numbers of tokens instead of shares") {
  RandomOptions options;
  options.context_tokens = 3;
  options.target_tokens = 2;
  const Plan made = plan(options, {layout({10})}, 1, 1);
  CHECK(made.contexts[0].visible.index.size(1) == 3);
  CHECK(made.queries[0].where.index.size(1) == 2);
}

TEST_CASE("nothing to see or to ask is the experiment's fault, named by its key") {
  const auto key = [](RandomOptions options) -> std::string {
    try {
      plan(options, {layout({2, 2})}, 1, 1);
    } catch (const ConfigError& error) {
      return error.key();
    }
    return "no error";
  };
  CHECK(key({.unit = {2}}) == "unit");
  CHECK(key({.unit = {2, 3}}) == "unit");
  CHECK(key({.context_tokens = 1, .unit = {2, 1}}) == "context_tokens");
  CHECK(key({.context_share = 0.5, .target_tokens = 1, .unit = {2, 1}}) == "target_tokens");
  CHECK(key({.context_share = 0.0}) == "context_share");
  CHECK(key({.context_share = 1.0}) == "context_share");
  CHECK(key({.context_tokens = 4}) == "context_tokens");
  CHECK(key({.context_share = 0.5, .target_share = 0.9}) == "target_share");
  CHECK(key({.context_share = 0.5, .target_share = 0.1}) == "target_share");
  CHECK(key({.context_share = 0.5, .target_tokens = 3}) == "target_tokens");
  CHECK(key({.context_share = 0.5, .target_tokens = std::numeric_limits<std::int64_t>::max()}) == "target_tokens");
}

}  // namespace

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "evaluate/folds.h"

using cairn::draw_folds;
using cairn::Features;
using cairn::join;

namespace {

/// 30 samples of three classes, of which the first is the largest.
Features some_features() {
  Features features;
  features.x = at::randn({30, 2});
  features.y = at::zeros({30}, at::kLong);
  for (std::int64_t i = 15; i < 30; ++i) features.y[i] = i < 24 ? 1 : 2;
  for (std::int64_t i = 0; i < 30; ++i) features.index.push_back(i);
  return features;
}

}  // namespace

TEST_CASE("folds: of equal size, with each class's share, the same for the same seed") {
  const Features features = some_features();
  const auto folds = draw_folds(features, 3, 5);
  std::map<std::pair<std::int64_t, std::int64_t>, int> counts;
  for (std::size_t row = 0; row < folds.size(); ++row)
    ++counts[{features.y[static_cast<std::int64_t>(row)].item<std::int64_t>(), folds[row]}];
  for (std::int64_t fold = 0; fold < 3; ++fold) {
    REQUIRE(counts[{0, fold}] == 5);
    REQUIRE(counts[{1, fold}] == 3);
    REQUIRE(counts[{2, fold}] == 2);
  }
  REQUIRE(folds == draw_folds(features, 3, 5));
  REQUIRE(folds != draw_folds(features, 3, 6));
}

TEST_CASE("folds: both variants of a sample stay together, samples of two parts apart") {
  Features part;
  part.x = at::randn({8, 2});
  part.y = at::tensor({0, 1, 0, 1, 0, 1, 0, 1}, at::kLong);
  part.index = {0, 0, 1, 1, 2, 2, 3, 3};
  const Features all = join(part, part);
  REQUIRE(all.size() == 16);
  REQUIRE(std::set(all.index.begin(), all.index.end()).size() == 8);
  const auto folds = draw_folds(all, 4, 0);
  for (std::size_t row = 0; row < folds.size(); row += 2) REQUIRE(folds[row] == folds[row + 1]);
}

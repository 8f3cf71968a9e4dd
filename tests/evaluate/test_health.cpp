#include <catch2/catch.hpp>
#include <numbers>

#include "cairn/error.h"
#include "evaluate/health.h"

TEST_CASE("effective rank counts the directions of the centred features") {
  // Three orthogonal directions of equal variance in five dimensions, far from the origin.
  const at::Tensor axes = at::eye(5).narrow(0, 0, 3);
  const at::Tensor x = at::cat({axes, -axes}) + 100.0;
  CHECK(cairn::effective_rank(x) == Approx(3.0).epsilon(1e-6));
  CHECK(cairn::effective_rank(at::ones({6, 5})) == Approx(1.0));
  // Squared singular values 9 : 1.
  const at::Tensor uneven = at::tensor({3.0, 0.0, -3.0, 0.0, 0.0, 1.0, 0.0, -1.0}).view({4, 2});
  CHECK(cairn::effective_rank(uneven) == Approx(std::exp(-0.9 * std::log(0.9) - 0.1 * std::log(0.1))).epsilon(1e-6));
}

TEST_CASE("RankMe takes plain singular values of features as they are") {
  const at::Tensor uneven = at::tensor({3.0, 0.0, -3.0, 0.0, 0.0, 1.0, 0.0, -1.0}).view({4, 2});
  CHECK(cairn::rankme(uneven) == Approx(std::exp(-0.75 * std::log(0.75) - 0.25 * std::log(0.25))).epsilon(1e-5));
  CHECK(cairn::rankme(at::ones({6, 5})) == Approx(1.0).epsilon(1e-4));
  CHECK(cairn::rankme(at::eye(4)) == Approx(4.0).epsilon(1e-5));
  CHECK(cairn::rankme(at::cat({at::eye(4), at::zeros({4, 40})}, 1)) == Approx(4.0).epsilon(1e-4));
}

TEST_CASE("feature std is that of layer-normed rows") {
  // Layer norm makes the rows (1,-1) and (-1,1): deviation sqrt(2) in both dimensions, whatever their scale.
  const at::Tensor x = at::tensor({5.0, 3.0, -700.0, 700.0}).view({2, 2});
  CHECK(cairn::feature_std(x) == Approx(std::numbers::sqrt2).epsilon(1e-4));
  CHECK(cairn::feature_std(at::tensor({1.0, 2.0, 3.0, 1.0, 2.0, 3.0}).view({2, 3})) == Approx(0.0).margin(1e-9));
}

TEST_CASE("shortcut share splits variance into position, sample and the rest") {
  at::manual_seed(0);
  const at::Tensor position = at::randn({1, 12, 4}, at::kDouble), sample = at::randn({20, 1, 4}, at::kDouble);
  const auto share_of = [](const at::Tensor& x) { return cairn::shortcut_share(x); };

  CHECK(share_of(position.expand({20, 12, 4})).position == Approx(1.0));
  CHECK(share_of(sample.expand({20, 12, 4})).sample == Approx(1.0));
  const auto both = share_of(position + sample);
  CHECK(both.both == Approx(1.0));
  CHECK(both.position + both.sample == Approx(both.both));
  CHECK(both.position > 0.1);
  CHECK(share_of(at::randn({200, 100, 4}, at::kDouble)).both < 0.05);
  CHECK(share_of(at::ones({3, 4, 5})).both == 1.0);
  // Explained by neither: the product of two signs, each of mean zero.
  const at::Tensor sign = at::tensor({1.0, -1.0});
  CHECK(share_of((sign.view({2, 1}) * sign.view({1, 2})).unsqueeze(2)).both == Approx(0.0).margin(1e-12));
}

TEST_CASE("health figures refuse what has no spread to measure") {
  CHECK_THROWS_AS(cairn::feature_std(at::ones({1, 4})), cairn::Error);
  CHECK_THROWS_AS(cairn::effective_rank(at::Tensor()), cairn::Error);
  CHECK_THROWS_AS(cairn::shortcut_share(at::ones({4, 4})), cairn::Error);
  CHECK_THROWS_WITH(cairn::rankme(at::full({4, 4}, std::numeric_limits<double>::quiet_NaN())), Catch::Contains("NaN"));
}

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
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

namespace {

/// Nested lists of numbers as a double tensor.
at::Tensor tensor_of(const nlohmann::json& json) {
  if (json.is_number()) return at::scalar_tensor(json.get<double>(), at::kDouble);
  std::vector<at::Tensor> rows;
  for (const auto& row : json) rows.push_back(tensor_of(row));
  return at::stack(rows);
}

}  // namespace

TEST_CASE("health figures agree with NumPy on fixed arrays") {
  std::ifstream file(std::string(CAIRN_SOURCE_DIR) + "/tests/evaluate/data/health.json");
  const auto cases = nlohmann::json::parse(file);
  REQUIRE(cases.size() == 3);
  for (const auto& each : cases) {
    const at::Tensor x = tensor_of(each["x"]), views = tensor_of(each["views"]), targets = tensor_of(each["targets"]);
    const auto close = [&](const char* name) { return Approx(each[name].get<double>()).epsilon(1e-4).margin(1e-6); };
    CHECK(cairn::rankme(x) == close("rankme"));
    CHECK(cairn::effective_rank(x) == close("effective_rank"));
    CHECK(cairn::alpha_req(x) == close("alpha_req"));
    CHECK(cairn::lidar(views) == close("lidar"));
    CHECK(cairn::prediction_cosine(x, targets) == close("prediction_cosine"));
    CHECK(cairn::target_variance(targets) == close("target_variance"));
    CHECK(cairn::shortcut_share(views).position == close("shortcut_position"));
    CHECK(cairn::shortcut_share(views).sample == close("shortcut_sample"));
  }
}

TEST_CASE("LiDAR is the same in a space of more dimensions than there are views") {
  at::manual_seed(4);
  const at::Tensor views = at::randn({6, 1, 8}, at::kDouble) + 0.3 * at::randn({6, 3, 8}, at::kDouble);
  const at::Tensor turn = std::get<0>(at::linalg_qr(at::randn({40, 40}, at::kDouble)));
  const at::Tensor wide = at::constant_pad_nd(views, {0, 32}).matmul(turn);
  CHECK(cairn::lidar(wide) == Approx(cairn::lidar(views)).epsilon(1e-9));
}

TEST_CASE("LiDAR counts the directions that tell samples apart, not those of their views") {
  at::manual_seed(3);
  const at::Tensor sample = at::cat({at::randn({200, 1, 3}), at::zeros({200, 1, 5})}, 2);
  const at::Tensor noise = at::randn({200, 6, 8});
  CHECK(cairn::lidar(sample + 0.05 * noise) == Approx(3.0).margin(0.2));
  CHECK(cairn::lidar(noise) > 6.0);
  CHECK(cairn::alpha_req(at::ones({6, 5})) == 0.0);
  // Variances i^-2, exactly.
  const at::Tensor signs = at::cat({at::eye(3), -at::eye(3)}).to(at::kDouble);
  CHECK(cairn::alpha_req(signs / at::arange(1, 4, at::kDouble)) == Approx(2.0).epsilon(1e-9));
  CHECK_THROWS_AS(cairn::lidar(signs), cairn::Error);
}

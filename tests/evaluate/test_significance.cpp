#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "evaluate/significance.h"

TEST_CASE("the paired test gives the textbook's p") {
  // Differences 1, 2, 3: t = 2 / (1 / sqrt(3)) = 3.4641 with 2 degrees of freedom, p = 0.0742 (scipy.stats.ttest_rel).
  const std::vector<double> a = {2.0, 4.0, 6.0}, b = {1.0, 2.0, 3.0};
  CHECK(cairn::paired_p(a, b) == Approx(0.0741799).epsilon(1e-5));
  CHECK(cairn::paired_p(b, a) == Approx(cairn::paired_p(a, b)));
  CHECK(cairn::paired_p(a, a) == 1.0);
  CHECK(cairn::paired_p({a.data(), 1}, {b.data(), 1}) == 1.0);
  const std::vector<double> shifted = {3.0, 5.0, 7.0};
  CHECK(cairn::paired_p(shifted, a) == 0.0);
}

TEST_CASE("the mean's interval is Student's") {
  const std::vector<double> values = {0.4, 0.5, 0.6};
  const cairn::Interval interval = cairn::mean_interval(values);
  CHECK(interval.value == Approx(0.5));
  CHECK(interval.high - interval.value == Approx(4.302653 * 0.1 / std::sqrt(3.0)).epsilon(1e-5));
  CHECK(interval.value - interval.low == Approx(interval.high - interval.value));
  CHECK(cairn::mean_interval({values.data(), 1}).low == 0.4);
}

TEST_CASE("the bootstrap over rows agrees with that of a share") {
  at::Tensor answers = at::zeros({1000});
  answers.narrow(0, 0, 300).fill_(1.0);
  const auto share = [](const at::Tensor& a, const at::Tensor& b) {
    return a.eq(b).to(at::kDouble).mean().item<double>();
  };
  const cairn::Interval rows = cairn::bootstrap_rows(answers, at::ones({1000}), share, 1);
  CHECK(rows.value == Approx(0.3));
  CHECK(rows.low == Approx(cairn::bootstrap_share(300, 1000, 1).low).margin(0.008));
  CHECK(rows.high == Approx(cairn::bootstrap_share(300, 1000, 1).high).margin(0.008));
}

TEST_CASE("the bootstrap of a share is as wide as the binomial says") {
  const cairn::Interval interval = cairn::bootstrap_share(300, 1000, 1);
  CHECK(interval.value == Approx(0.3));
  const double half = 1.96 * std::sqrt(0.3 * 0.7 / 1000.0);
  CHECK(interval.low == Approx(0.3 - half).margin(0.004));
  CHECK(interval.high == Approx(0.3 + half).margin(0.004));
  CHECK(cairn::bootstrap_share(300, 1000, 1).low == interval.low);
  CHECK(cairn::bootstrap_share(7, 7, 1).low == 1.0);
  CHECK(cairn::bootstrap_share(0, 0, 1).value == 0.0);
}

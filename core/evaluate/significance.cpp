#include "evaluate/significance.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>
#include <vector>

#include "cairn/rng.h"

namespace cairn {
namespace {

constexpr int kDraws = 1000;
constexpr int kRowDraws = 200;  // of a score that costs more
constexpr double kTail = 0.025;

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// Standard error of the mean.
double standard_error(std::span<const double> values) {
  const double centre = mean(values);
  double sum = 0.0;
  for (const double value : values) sum += (value - centre) * (value - centre);
  const double n = static_cast<double>(values.size());
  return std::sqrt(sum / (n - 1.0) / n);
}

/// The value with the middle 95 of 100 of the draws.
Interval percentiles(double value, std::vector<double> draws) {
  std::sort(draws.begin(), draws.end());
  const double last = static_cast<double>(draws.size() - 1);
  const auto at = [&](double part) { return draws[static_cast<std::size_t>(part * last + 0.5)]; };
  return {value, at(kTail), at(1.0 - kTail)};
}

}  // namespace

Interval bootstrap_share(std::int64_t right, std::int64_t total, std::uint64_t seed) {
  if (total <= 0) return {};
  const double share = static_cast<double>(right) / static_cast<double>(total);
  Rng rng(seed, Stream::probe, /*epoch=*/4);
  std::vector<double> draws;
  for (int draw = 0; draw < kDraws; ++draw) {
    std::int64_t hits = 0;
    for (std::int64_t i = 0; i < total; ++i) hits += rng.chance(share) ? 1 : 0;
    draws.push_back(static_cast<double>(hits) / static_cast<double>(total));
  }
  return percentiles(share, std::move(draws));
}

Interval bootstrap_draws(std::int64_t count, const std::function<double(std::span<const std::int64_t>)>& score,
                         std::uint64_t seed) {
  Rng rng(seed, Stream::probe, /*epoch=*/6);
  std::vector<std::int64_t> all(static_cast<std::size_t>(count)), drawn(all.size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<double> draws;
  for (int draw = 0; draw < kRowDraws; ++draw) {
    for (std::int64_t& each : drawn) each = rng.integer(0, count - 1);
    draws.push_back(score(drawn));
  }
  return percentiles(score(all), std::move(draws));
}

Interval bootstrap_rows(const at::Tensor& answers, const at::Tensor& truth,
                        const std::function<double(const at::Tensor&, const at::Tensor&)>& score, std::uint64_t seed) {
  const auto of_rows = [&](std::span<const std::int64_t> drawn) {
    const at::Tensor rows = at::tensor(at::ArrayRef<std::int64_t>(drawn.data(), drawn.size()), at::kLong);
    return score(answers.index_select(0, rows), truth.index_select(0, rows));
  };
  return bootstrap_draws(truth.size(0), of_rows, seed);
}

Interval mean_interval(std::span<const double> values) {
  if (values.empty()) return {};
  const double centre = mean(values);
  if (values.size() < 2) return {centre, centre, centre};
  const boost::math::students_t student(static_cast<double>(values.size() - 1));
  const double half = boost::math::quantile(student, 1.0 - kTail) * standard_error(values);
  return {centre, centre - half, centre + half};
}

double paired_p(std::span<const double> a, std::span<const double> b) {
  const std::size_t pairs = std::min(a.size(), b.size());
  if (pairs < 2) return 1.0;
  std::vector<double> differences;
  for (std::size_t i = 0; i < pairs; ++i) differences.push_back(a[i] - b[i]);
  const double centre = mean(differences), error = standard_error(differences);
  if (centre == 0.0) return 1.0;
  if (error == 0.0) return 0.0;
  const boost::math::students_t student(static_cast<double>(pairs - 1));
  return 2.0 * boost::math::cdf(boost::math::complement(student, std::abs(centre / error)));
}

}  // namespace cairn

#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>

#include "cairn/export.h"

namespace cairn {

/// An estimate and the interval that holds the truth in 95 of 100 cases.
struct Interval {
  double value = 0.0;
  double low = 0.0;
  double high = 0.0;
};

/// Share of right answers, with the percentile bootstrap over the samples (Efron 1979), 1,000 draws; the same for the
/// same seed.
CAIRN_API Interval bootstrap_share(std::int64_t right, std::int64_t total, std::uint64_t seed);

/// A score of those of `count` things that are `drawn`, with the percentile bootstrap over the things, 200 draws; its
/// value is the score of all in order.
CAIRN_API Interval bootstrap_draws(std::int64_t count,
                                   const std::function<double(std::span<const std::int64_t> drawn)>& score,
                                   std::uint64_t seed);

/// A score of answers [M,...] for `truth` [M,...], with bootstrap_draws() over the rows.
CAIRN_API Interval bootstrap_rows(const at::Tensor& answers, const at::Tensor& truth,
                                  const std::function<double(const at::Tensor&, const at::Tensor&)>& score,
                                  std::uint64_t seed);

/// Mean over seeds with Student's interval; no width with one value.
CAIRN_API Interval mean_interval(std::span<const double> values);

/// Two-sided p of the paired t-test over seeds; 1 with fewer than two pairs or equal values. 0 where all differences
/// are the same and not zero.
CAIRN_API double paired_p(std::span<const double> a, std::span<const double> b);

}  // namespace cairn

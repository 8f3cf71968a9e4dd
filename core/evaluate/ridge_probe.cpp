#include "evaluate/ridge_probe.h"

#include <ATen/ATen.h>

#include <limits>

#include "cairn/error.h"
#include "cairn/rng.h"
#include "evaluate/task.h"

namespace cairn {
namespace {

constexpr double kFlatDeviation = 1e-6;

at::Tensor deviation_of(const at::Tensor& x) {
  const at::Tensor deviation = x.std(0, /*unbiased=*/false);
  return at::where(deviation > kFlatDeviation, deviation, at::ones_like(deviation));
}

/// Weights [D,K] for standardised x [N,D] and y [N,K], from the smaller of the two Gram matrices.
at::Tensor solve(const at::Tensor& x, const at::Tensor& y, double penalty) {
  const bool is_wide = x.size(1) > x.size(0);
  at::Tensor gram = is_wide ? at::mm(x, x.t()) : at::mm(x.t(), x);
  gram.diagonal().add_(penalty * static_cast<double>(x.size(0)));
  const at::Tensor factor = at::linalg_cholesky(gram);
  return is_wide ? at::mm(x.t(), at::cholesky_solve(y, factor)) : at::cholesky_solve(at::mm(x.t(), y), factor);
}

}  // namespace

RidgeProbe::RidgeProbe(const Features& train, const RidgeProbeOptions& options) {
  check_features(train.x, train.y, "linear probe of values, training part");
  if (train.y.dim() != 2 || !at::isfinite(train.y).all().item<bool>())
    throw Error("the values to learn must be finite numbers, one row a sample", "linear probe of values");
  if (options.grid.empty()) throw Error("there is no penalty to choose from", "linear probe of values");
  const at::NoGradGuard no_grad;
  mean_ = train.x.mean(0);
  scale_ = deviation_of(train.x);
  y_mean_ = train.y.mean(0);
  y_scale_ = deviation_of(train.y);
  const at::Tensor x = ((train.x - mean_) / scale_).to(at::kDouble),
                   y = ((train.y - y_mean_) / y_scale_).to(at::kDouble);
  const std::int64_t cut = std::max<std::int64_t>(1, x.size(0) * 4 / 5);
  const at::Tensor order = at::tensor(Rng(options.seed, Stream::probe, 3).permutation(x.size(0)), at::kLong);
  const at::Tensor learn = order.narrow(0, 0, cut), judge = order.narrow(0, cut, x.size(0) - cut);
  double best = -std::numeric_limits<double>::infinity();
  penalty_ = options.grid.front();
  for (const double penalty : options.grid) {
    if (options.grid.size() == 1 || judge.numel() < 2) break;
    const at::Tensor weight = solve(x.index_select(0, learn), y.index_select(0, learn), penalty);
    const double now = quality(Task::values, at::mm(x.index_select(0, judge), weight), y.index_select(0, judge));
    if (!(now > best)) continue;
    best = now;
    penalty_ = penalty;
  }
  weight_ = solve(x, y, penalty_).to(at::kFloat);
}

at::Tensor RidgeProbe::operator()(const at::Tensor& x) const {
  return at::mm((x - mean_) / scale_, weight_) * y_scale_ + y_mean_;
}

}  // namespace cairn

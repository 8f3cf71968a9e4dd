#include "evaluate/health.h"

#include <ATen/core/grad_mode.h>

#include "cairn/error.h"

namespace cairn {
namespace {

constexpr double kRankEpsilon = 1e-7;  // RankMe and LiDAR, for float32
constexpr double kLidarRidge = 1e-4;
constexpr double kLeastEigenvalue = 1e-10;

at::Tensor checked(const at::Tensor& x, std::int64_t dimensions, const char* what) {
  if (!x.defined() || x.dim() != dimensions || x.numel() == 0 || x.size(0) < 2)
    throw Error("at least two samples are needed", what);
  const at::Tensor values = x.to(at::kDouble);
  if (!at::isfinite(values).all().item<bool>())
    throw Error("the features hold NaN or infinite values", what,
                "training has probably diverged: lower optim.lr, or set optim.clip");
  return values;
}

/// Squared singular values of x [N,D], as eigenvalues of the smaller Gram matrix.
at::Tensor squared_singular_values(const at::Tensor& x) {
  const at::Tensor gram = x.size(0) < x.size(1) ? at::mm(x, x.t()) : at::mm(x.t(), x);
  return at::linalg_eigvalsh(gram).clamp_min(0.0);
}

/// exp(-sum p log p) of values normalised to sum 1, plus `epsilon`; 1 when all are zero.
double exp_entropy(const at::Tensor& values, double epsilon) {
  const double total = values.sum().item<double>();
  if (!(total > 0.0)) return 1.0;
  const at::Tensor share = values / total + epsilon;
  return std::exp(-at::xlogy(share, share).sum().item<double>());
}

/// Rows of `between` [N,D] in coordinates in which the covariance of `within` [M,D], + `ridge` on its diagonal, is 1.
/// The last rotation is left out, as it changes no singular value.
at::Tensor whiten(const at::Tensor& between, const at::Tensor& within, double ridge) {
  const auto covariance = [&](const at::Tensor& x) { return at::mm(x.t(), x) / static_cast<double>(within.size(0)); };
  if (within.size(0) >= within.size(1)) {
    const auto [variance, direction] = at::linalg_eigh(covariance(within));
    return at::mm(between, direction) * (variance + ridge).rsqrt();
  }
  // Few rows vary in few directions: the others, of which D x D matrices would be made, have the ridge alone.
  const auto [basis, coordinates] = at::linalg_qr(within.t());
  const auto [variance, turn] = at::linalg_eigh(covariance(coordinates.t()));
  const at::Tensor direction = at::mm(basis, turn), inside = at::mm(between, direction);
  const at::Tensor outside = between - at::mm(inside, direction.t());
  return at::cat({inside * (variance + ridge).rsqrt(), outside / std::sqrt(ridge)}, 1);
}

}  // namespace

double feature_std(const at::Tensor& x) {
  const at::NoGradGuard no_grad;
  const at::Tensor values = checked(x, 2, "feature std");
  return at::layer_norm(values, {values.size(1)}).std(0).mean().item<double>();
}

double effective_rank(const at::Tensor& x) {
  const at::NoGradGuard no_grad;
  const at::Tensor values = checked(x, 2, "effective rank");
  return exp_entropy(squared_singular_values(values - values.mean(0)), 0.0);
}

double rankme(const at::Tensor& x) {
  const at::NoGradGuard no_grad;
  return exp_entropy(squared_singular_values(checked(x, 2, "RankMe")).sqrt(), kRankEpsilon);
}

double lidar(const at::Tensor& views) {
  const at::NoGradGuard no_grad;
  const at::Tensor values = checked(views, 3, "LiDAR");
  const at::Tensor means = values.mean(1);
  const at::Tensor between = means - means.mean(0);
  const at::Tensor within = (values - means.unsqueeze(1)).flatten(0, 1);
  // Sw^-1/2 Sb Sw^-1/2 = (B Sw^-1/2)' (B Sw^-1/2) / N.
  return exp_entropy(squared_singular_values(whiten(between, within, kLidarRidge)), kRankEpsilon);
}

double alpha_req(const at::Tensor& x) {
  const at::NoGradGuard no_grad;
  const at::Tensor values = checked(x, 2, "alpha-ReQ");
  const at::Tensor spectrum = squared_singular_values(values - values.mean(0)).flip(0);
  const std::int64_t count = spectrum.gt(kLeastEigenvalue * spectrum[0]).sum().item<std::int64_t>();
  if (count < 2) return 0.0;
  const at::Tensor rank = at::arange(1, count + 1, at::kDouble).log();
  const at::Tensor size = spectrum.narrow(0, 0, count).log();
  const at::Tensor from_mean = rank - rank.mean();
  return -(from_mean * size).sum().item<double>() / from_mean.square().sum().item<double>();
}

double prediction_cosine(const at::Tensor& predictions, const at::Tensor& targets) {
  const at::NoGradGuard no_grad;
  const at::Tensor answers = checked(predictions, 2, "prediction cosine");
  const at::Tensor mean = checked(targets, 2, "prediction cosine").mean(0, /*keepdim=*/true);
  return at::cosine_similarity(answers, mean).mean().item<double>();
}

double target_variance(const at::Tensor& targets) {
  const at::NoGradGuard no_grad;
  return checked(targets, 2, "target variance").var(0, /*unbiased=*/false).mean().item<double>();
}

ShortcutShare shortcut_share(const at::Tensor& tokens) {
  const at::NoGradGuard no_grad;
  const at::Tensor values = checked(tokens, 3, "shortcut share");
  const at::Tensor centred = values - values.flatten(0, 1).mean(0);
  const double variance = centred.square().mean().item<double>();
  if (variance < 1e-12) return {0.0, 0.0, 1.0};
  ShortcutShare share;
  share.position = centred.mean(0).square().mean().item<double>() / variance;
  share.sample = centred.mean(1).square().mean().item<double>() / variance;
  share.both = share.position + share.sample;
  return share;
}

}  // namespace cairn

#include "evaluate/tsne.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "cairn/error.h"

namespace cairn {
namespace {

constexpr double kMostPerplexity = 30.0;
constexpr double kSmall = 1e-12;
constexpr std::int64_t kBisections = 50;
constexpr std::int64_t kSteps = 750, kExaggerated = 250;  // the latter with attraction times kExaggeration
constexpr double kExaggeration = 12.0;
constexpr double kLeastRate = 50.0;
constexpr double kFirstSpread = 1e-4;

/// Squared distances of all pairs of rows, [N,N], 0 on the diagonal.
at::Tensor squared_distances(const at::Tensor& x) {
  const at::Tensor square = x.square().sum(1);
  at::Tensor distance = (square.unsqueeze(0) + square.unsqueeze(1) - 2.0 * at::mm(x, x.t())).clamp_min(0.0);
  return distance.fill_diagonal_(0.0);
}

/// How likely each row picks each other one, [N,N]: Gaussians whose widths are bisected so that the entropy of every
/// row is that of the perplexity (their section 2).
at::Tensor affinities(const at::Tensor& distance, double perplexity) {
  const std::int64_t count = distance.size(0);
  const at::Tensor others = 1.0 - at::eye(count, distance.options());
  const at::Tensor nearest = (distance + 1e300 * (1.0 - others)).amin(1, true);
  const at::Tensor near = (distance - nearest).clamp_min(0.0);                    // else all of a row could underflow
  at::Tensor low = at::full({count, 1}, -60.0, distance.options()), high = -low;  // of the precision's logarithm
  at::Tensor p;
  for (std::int64_t i = 0; i < kBisections; ++i) {
    const at::Tensor middle = 0.5 * (low + high);
    p = at::exp(-near * middle.exp()) * others;
    p = p / p.sum(1, true);
    const at::Tensor is_wide = -(p * (p + kSmall).log()).sum(1, true) > std::log(perplexity);
    low = at::where(is_wide, middle, low);
    high = at::where(is_wide, high, middle);
  }
  return p;
}

}  // namespace

at::Tensor principal_scores(const at::Tensor& rows, std::int64_t count) {
  const at::Tensor centred = rows.to(at::kDouble) - rows.to(at::kDouble).mean(0);
  const auto [values, vectors] = at::linalg_eigh(at::mm(centred.t(), centred));
  const std::int64_t available = std::min(count, vectors.size(1));
  const at::Tensor main = vectors.narrow(1, vectors.size(1) - available, available).flip(1);
  const at::Tensor largest = main.gather(0, main.abs().argmax(0, /*keepdim=*/true));
  return at::constant_pad_nd(at::mm(centred, main * largest.sign()), {0, count - available});
}

at::Tensor tsne(const at::Tensor& rows) {
  const std::int64_t count = rows.size(0);
  if (count < kFewestForTsne) throw Error("t-SNE wants at least eight rows", "t-SNE");
  const at::Tensor x = rows.to(at::kDouble);
  const at::Tensor p = affinities(squared_distances(x), std::min(kMostPerplexity, static_cast<double>(count) / 4.0));
  const at::Tensor attraction = (p + p.t()) / (2.0 * static_cast<double>(count));
  const double rate = std::max(kLeastRate, static_cast<double>(count) / kExaggeration / 4.0);
  at::Tensor y = principal_scores(x, 2);
  y = kFirstSpread * y / y.select(1, 0).std(0, /*unbiased=*/false).clamp_min(kSmall);
  at::Tensor step = at::zeros_like(y), gain = at::ones_like(y);
  for (std::int64_t i = 0; i < kSteps; ++i) {
    const bool is_early = i < kExaggerated;
    const at::Tensor closeness = (1.0 + squared_distances(y)).reciprocal().fill_diagonal_(0.0);
    const at::Tensor force =
        ((is_early ? kExaggeration : 1.0) * attraction - closeness / closeness.sum()) * closeness;  // their equation 5
    const at::Tensor gradient = 4.0 * (force.sum(1, true) * y - at::mm(force, y));
    gain = at::where((gradient > 0) != (step > 0), gain + 0.2, gain * 0.8).clamp_min(0.01);
    step = (is_early ? 0.5 : 0.8) * step - rate * gain * gradient;
    y = y + step;
  }
  return y - y.mean(0);
}

}  // namespace cairn

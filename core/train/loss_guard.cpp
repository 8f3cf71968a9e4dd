#include "train/loss_guard.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace cairn {
namespace {

constexpr double kLeastLeap = 0.1;        // of the median, so that a very steady loss may still move
constexpr double kNormalFactor = 1.4826;  // median distance to standard deviation, for normal values

double median_of(std::vector<double> values) {
  if (values.empty()) return 0.0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

LossGuard::LossGuard(double deviations, std::deque<double> seen) : deviations_(deviations), seen_(std::move(seen)) {}

double LossGuard::median() const { return median_of({seen_.begin(), seen_.end()}); }

bool LossGuard::is_bad(double loss) {
  bool bad = !std::isfinite(loss);
  if (!bad && seen_.size() >= kLeast) {
    const double middle = median();
    std::vector<double> distances;
    for (const double each : seen_) distances.push_back(std::abs(each - middle));
    const double deviation = kNormalFactor * median_of(std::move(distances));
    bad = loss - middle > std::max(deviations_ * deviation, kLeastLeap * std::abs(middle));
  }
  if (bad) {
    ++bad_;
    return true;
  }
  bad_ = 0;
  seen_.push_back(loss);
  if (seen_.size() > kWindow) seen_.pop_front();
  return false;
}

}  // namespace cairn

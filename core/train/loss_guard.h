#pragma once

#include <cstdint>
#include <deque>

#include "cairn/export.h"

namespace cairn {

/// Tells a loss that leaps from one that wanders: a spike lies more than `deviations` robust deviations (1.4826 times
/// the median distance from the median) above the median of the last losses, and at least a tenth of it above.
class CAIRN_API LossGuard {
 public:
  static constexpr std::size_t kWindow = 64;
  static constexpr std::size_t kLeast = 32;     // losses seen before any is called a spike
  static constexpr std::int64_t kPatience = 8;  // bad steps in a row after which a run is given up

  /// `seen`: losses of the steps before, of a run that is resumed.
  explicit LossGuard(double deviations, std::deque<double> seen = {});

  /// True for a spike, or a loss that is not finite; any other loss joins the window.
  bool is_bad(double loss);
  /// Bad losses since the last good one.
  std::int64_t bad_in_a_row() const { return bad_; }
  /// Median of the window; 0 before there is one.
  double median() const;
  const std::deque<double>& seen() const { return seen_; }

 private:
  double deviations_;
  std::deque<double> seen_;
  std::int64_t bad_ = 0;
};

}  // namespace cairn

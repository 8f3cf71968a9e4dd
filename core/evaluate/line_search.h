#pragma once

#include <functional>

#include "cairn/export.h"

namespace cairn {

/// A function of one variable at one place.
struct LinePoint {
  double step = 0.0;
  double value = 0.0;
  double slope = 0.0;
};

/// When a step is good enough: value <= start + decrease * step * slope, and |slope| <= curvature * |start's slope|.
struct WolfeConditions {
  double decrease = 1e-3;
  double curvature = 0.9;
  double interval = 0.1;  // relative width at which a bracket counts as closed
  int most_trials = 20;
};

/// Finds a step that meets the strong Wolfe conditions (Moré & Thuente 1994, as in MINPACK-2's dcsrch, which L-BFGS-B
/// and so scikit-learn use). `start` is the point at step 0, where the slope must be negative; `first` the step tried
/// first. At worst the best step tried.
CAIRN_API LinePoint search_line(const std::function<LinePoint(double step)>& at, const LinePoint& start, double first,
                                const WolfeConditions& conditions = {});

}  // namespace cairn

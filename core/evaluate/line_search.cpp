#include "evaluate/line_search.h"

#include <algorithm>
#include <cmath>

namespace cairn {
namespace {

constexpr double kLongestStep = 1e10;
constexpr double kShorten = 0.66;  // a bracket must shrink at least this fast, else it is halved

/// Minimum of the cubic through two points with their slopes, seen from `b`: the root that lies at a minimum.
struct Cubic {
  double theta, gamma;

  Cubic(const LinePoint& a, const LinePoint& b)
      : theta(3.0 * (a.value - b.value) / (b.step - a.step) + a.slope + b.slope) {
    const double scale = std::max({std::abs(theta), std::abs(a.slope), std::abs(b.slope)});
    const double square = (theta / scale) * (theta / scale) - (a.slope / scale) * (b.slope / scale);
    gamma = scale * std::sqrt(std::max(0.0, square));
  }
};

double secant(const LinePoint& from, const LinePoint& to) {
  return to.step + to.slope / (to.slope - from.slope) * (from.step - to.step);
}

/// The interval that holds a good step: `best` is its better end, `other` the other one once there is a bracket.
class Bracket {
 public:
  explicit Bracket(const LinePoint& start) : best_(start), other_(start) {}

  bool is_bracket() const { return is_bracket_; }
  const LinePoint& best() const { return best_; }
  double low() const { return std::min(best_.step, other_.step); }
  double high() const { return std::max(best_.step, other_.step); }
  double width() const { return std::abs(other_.step - best_.step); }
  double middle() const { return best_.step + 0.5 * (other_.step - best_.step); }

  /// Takes `now` in, and says which step to try next, within `least` and `most` while there is no bracket.
  double update(const LinePoint& now, double least, double most) {
    const bool turned = now.slope * std::copysign(1.0, best_.slope) < 0.0;
    const double next = choose(now, turned, least, most);
    if (now.value > best_.value) {
      other_ = now;
    } else {
      if (turned) other_ = best_;
      best_ = now;
    }
    return next;
  }

  /// The same on the function less a line of slope `tilt`, which favours steps that go down enough.
  double update_tilted(const LinePoint& now, double tilt, double least, double most) {
    const auto tilted = [&](const LinePoint& p, double sign) {
      return LinePoint{p.step, p.value - sign * p.step * tilt, p.slope - sign * tilt};
    };
    best_ = tilted(best_, 1.0);
    other_ = tilted(other_, 1.0);
    const double next = update(tilted(now, 1.0), least, most);
    best_ = tilted(best_, -1.0);
    other_ = tilted(other_, -1.0);
    return next;
  }

 private:
  double choose(const LinePoint& now, bool turned, double least, double most) {
    if (now.value > best_.value) return higher(now);
    if (turned) return lower_and_turned(now);
    if (std::abs(now.slope) < std::abs(best_.slope)) return lower_and_flatter(now, least, most);
    return lower_and_steeper(now, least, most);
  }

  double higher(const LinePoint& now) {
    is_bracket_ = true;
    const Cubic c(best_, now);
    const double gamma = now.step < best_.step ? -c.gamma : c.gamma;
    const double share = ((gamma - best_.slope) + c.theta) / (((gamma - best_.slope) + gamma) + now.slope);
    const double cubic = best_.step + share * (now.step - best_.step);
    const double chord = (best_.value - now.value) / (now.step - best_.step) + best_.slope;
    const double quadratic = best_.step + best_.slope / chord / 2.0 * (now.step - best_.step);
    return std::abs(cubic - best_.step) < std::abs(quadratic - best_.step) ? cubic : cubic + (quadratic - cubic) / 2.0;
  }

  double lower_and_turned(const LinePoint& now) {
    is_bracket_ = true;
    const Cubic c(best_, now);
    const double gamma = now.step > best_.step ? -c.gamma : c.gamma;
    const double share = ((gamma - now.slope) + c.theta) / (((gamma - now.slope) + gamma) + best_.slope);
    const double cubic = now.step + share * (best_.step - now.step), quadratic = secant(best_, now);
    return std::abs(cubic - now.step) > std::abs(quadratic - now.step) ? cubic : quadratic;
  }

  double lower_and_flatter(const LinePoint& now, double least, double most) const {
    const Cubic c(best_, now);
    const double gamma = now.step > best_.step ? -c.gamma : c.gamma;
    const double share = ((gamma - now.slope) + c.theta) / ((gamma + (best_.slope - now.slope)) + gamma);
    double cubic = now.step > best_.step ? most : least;
    if (share < 0.0 && gamma != 0.0) cubic = now.step + share * (best_.step - now.step);
    const double quadratic = secant(best_, now);
    const bool cubic_is_nearer = std::abs(cubic - now.step) < std::abs(quadratic - now.step);
    if (!is_bracket_) return std::clamp(cubic_is_nearer ? quadratic : cubic, least, most);
    const double nearer = cubic_is_nearer ? cubic : quadratic, limit = now.step + kShorten * (other_.step - now.step);
    return now.step > best_.step ? std::min(limit, nearer) : std::max(limit, nearer);
  }

  double lower_and_steeper(const LinePoint& now, double least, double most) const {
    if (!is_bracket_) return now.step > best_.step ? most : least;
    const Cubic c(now, other_);
    const double gamma = now.step > other_.step ? -c.gamma : c.gamma;
    const double share = ((gamma - now.slope) + c.theta) / (((gamma - now.slope) + gamma) + other_.slope);
    return now.step + share * (other_.step - now.step);
  }

  LinePoint best_, other_;
  bool is_bracket_ = false;
};

}  // namespace

LinePoint search_line(const std::function<LinePoint(double step)>& at, const LinePoint& start, double first,
                      const WolfeConditions& conditions) {
  const double tilt = conditions.decrease * start.slope;
  Bracket interval(start);
  double step = first, least = 0.0, most = 5.0 * first;
  double width = kLongestStep, width_before = 2.0 * kLongestStep;
  bool goes_down_enough = false;
  for (int trial = 0; trial < conditions.most_trials; ++trial) {
    const LinePoint now = at(step);
    const bool is_low = now.value <= start.value + step * tilt;
    if (is_low && std::abs(now.slope) <= -conditions.curvature * start.slope) return now;
    goes_down_enough = goes_down_enough || (is_low && now.slope >= 0.0);
    const bool tilts = !goes_down_enough && now.value <= interval.best().value && !is_low;
    step = tilts ? interval.update_tilted(now, tilt, least, most) : interval.update(now, least, most);
    if (interval.is_bracket()) {
      if (interval.width() >= kShorten * width_before) step = interval.middle();
      width_before = width;
      width = interval.width();
      least = interval.low();
      most = interval.high();
      if (step <= least || step >= most || most - least <= conditions.interval * most) break;
    } else {
      least = step + 1.1 * (step - interval.best().step);
      most = step + 4.0 * (step - interval.best().step);
    }
    step = std::clamp(step, 0.0, kLongestStep);
  }
  return interval.best();
}

}  // namespace cairn

#include "evaluate/linear_probe.h"

#include <ATen/core/grad_mode.h>

#include <deque>
#include <limits>

#include "cairn/error.h"

namespace cairn {
namespace {

constexpr double kArmijo = 1e-4;
constexpr double kCurvature = 0.9;
constexpr std::size_t kHistory = 10;
constexpr int kMostTrials = 25;
constexpr double kLeastProgress = 1e-9;
constexpr double kLeastJitter = 1e-5;  // of the mean moment: float32 cannot solve worse conditioned systems

double scalar_product(const at::Tensor& a, const at::Tensor& b) { return at::dot(a, b).item<double>(); }

/// The objective in one flat vector of parameters: weight [D,C], then bias [C] as the weight of a column of ones.
class Logistic {
 public:
  Logistic(const at::Tensor& x, const at::Tensor& y, std::int64_t classes, double c)
      : x_(at::cat({x, at::ones({x.size(0), 1}, x.options())}, 1)),
        transposed_(x_.t()),
        y_(y.unsqueeze(1)),
        minus_one_(at::full_like(y_, -1.0, x.options())),
        shape_{x_.size(1), classes},
        penalty_(1.0 / (c * static_cast<double>(x.size(0)))) {}

  /// Cholesky factor of a cheap stand-in for the Hessian at `w`, the same for every class: the second moments of the
  /// rows times the mean variance of the classes there, plus the penalty. Correlated features then cost no iterations.
  at::Tensor curvature(const at::Tensor& w) const {
    const at::Tensor chance = at::softmax(at::mm(x_, w.view({shape_[0], shape_[1]})), 1);
    const double others = std::max(1.0, static_cast<double>(shape_[1] - 1));
    const double variance = std::max(1e-6, 1.0 - chance.square().sum(1).mean().item<double>()) / others;
    const at::Tensor moments = at::mm(transposed_, x_).to(at::kDouble) * (variance / static_cast<double>(x_.size(0)));
    return cholesky(moments).to(w.scalar_type());
  }

  /// Loss at `w`; its gradient goes to `gradient`.
  double operator()(const at::Tensor& w, at::Tensor& gradient) const {
    const at::Tensor weight = w.view({shape_[0], shape_[1]});
    at::Tensor scores = at::log_softmax(at::mm(x_, weight), 1);
    const double entropy = -scores.gather(1, y_).sum(at::kDouble).item<double>();
    const double count = static_cast<double>(x_.size(0));
    scores.exp_().scatter_add_(1, y_, minus_one_);
    at::Tensor slope = at::mm(transposed_, scores).div_(count);
    const at::Tensor shrunk = weight.narrow(0, 0, shape_[0] - 1);
    slope.narrow(0, 0, shape_[0] - 1).add_(shrunk, penalty_);
    gradient = slope.view(-1);
    return entropy / count + 0.5 * penalty_ * shrunk.square().sum(at::kDouble).item<double>();
  }

 private:
  /// The factor of the moments with the penalty, and with as much more on the diagonal as rounding asks for.
  at::Tensor cholesky(const at::Tensor& moments) const {
    const double mean = moments.diagonal().mean().item<double>();
    for (double jitter = kLeastJitter; jitter < 1.0; jitter *= 100.0) {
      at::Tensor shifted = moments.clone();
      shifted.diagonal().add_(penalty_ + jitter * mean);
      const auto [factor, info] = at::linalg_cholesky_ex(shifted);
      if (info.item<int>() == 0) return factor;
    }
    return (moments.diagonal() + penalty_ + mean).sqrt().diag();
  }

  at::Tensor x_, transposed_, y_, minus_one_;
  std::int64_t shape_[2];
  double penalty_;
};

/// The objective along a line: length of the step, loss, slope and gradient there.
struct Point {
  double step = 0.0;
  double loss = 0.0;
  double slope = 0.0;
  at::Tensor gradient;
};

/// Minimum of the cubic through two points (Nocedal & Wright, equation 3.59), kept inside their interval.
double cubic_minimum(const Point& a, const Point& b) {
  const double low = std::min(a.step, b.step), high = std::max(a.step, b.step);
  const double margin = 0.1 * (high - low);
  const double d1 = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.step - b.step);
  const double square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0.0)) return 0.5 * (low + high);
  const double d2 = std::copysign(std::sqrt(square), b.step - a.step);
  const double step = b.step - (b.step - a.step) * (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2);
  return std::isfinite(step) ? std::clamp(step, low + margin, high - margin) : 0.5 * (low + high);
}

/// Finds a step that meets the strong Wolfe conditions; at worst the best one seen.
class LineSearch {
 public:
  LineSearch(const Logistic& objective, const at::Tensor& from, const at::Tensor& direction, Point start)
      : objective_(objective), from_(from), direction_(direction), start_(std::move(start)) {}

  Point run(double first) {
    Point before = start_;
    double step = first;
    for (; trials_ < kMostTrials; step *= 2.0) {
      Point now = evaluate(step);
      if (too_high(now) || (trials_ > 1 && now.loss >= before.loss)) return zoom(before, now);
      if (flat(now)) return now;
      if (now.slope >= 0.0) return zoom(now, before);
      before = std::move(now);
    }
    return before;
  }

 private:
  Point evaluate(double step) {
    ++trials_;
    Point point{step};
    point.loss = objective_(from_.add(direction_, step), point.gradient);
    point.slope = scalar_product(point.gradient, direction_);
    return point;
  }
  bool too_high(const Point& p) const { return !(p.loss <= start_.loss + kArmijo * p.step * start_.slope); }
  bool flat(const Point& p) const { return std::abs(p.slope) <= -kCurvature * start_.slope; }

  Point zoom(Point low, Point high) {
    while (trials_ < kMostTrials && std::abs(high.step - low.step) > 1e-10) {
      Point now = evaluate(cubic_minimum(low, high));
      if (too_high(now) || now.loss >= low.loss) {
        high = std::move(now);
        continue;
      }
      if (flat(now)) return now;
      if (now.slope * (high.step - low.step) >= 0.0) high = std::move(low);
      low = std::move(now);
    }
    return low;
  }

  const Logistic& objective_;
  const at::Tensor& from_;
  const at::Tensor& direction_;
  Point start_;
  int trials_ = 0;
};

/// The last steps and changes of gradient, on top of a stand-in for the Hessian given by its Cholesky factor [D,D]: an
/// approximation of the inverse Hessian.
class Curvature {
 public:
  explicit Curvature(at::Tensor factor) : factor_(std::move(factor)) {}

  void add(at::Tensor step, at::Tensor change) {
    const double product = scalar_product(step, change);
    if (product <= 1e-12 * scalar_product(change, change)) return;
    if (pairs_.size() == kHistory) pairs_.pop_front();
    scale_ = product / scalar_product(change, solve(change));
    pairs_.push_back({std::move(step), std::move(change), product});
  }

  /// Minus the inverse Hessian times `gradient` (Nocedal & Wright, algorithm 7.4).
  at::Tensor direction(const at::Tensor& gradient) const {
    at::Tensor q = gradient.neg();
    std::vector<double> alpha(pairs_.size());
    for (std::size_t i = pairs_.size(); i-- > 0;) {
      alpha[i] = scalar_product(pairs_[i].step, q) / pairs_[i].product;
      q.sub_(pairs_[i].change, alpha[i]);
    }
    q = solve(q).mul_(scale_);
    for (std::size_t i = 0; i < pairs_.size(); ++i)
      q.add_(pairs_[i].step, alpha[i] - scalar_product(pairs_[i].change, q) / pairs_[i].product);
    return q;
  }

 private:
  struct Pair {
    at::Tensor step, change;
    double product;
  };

  at::Tensor solve(const at::Tensor& q) const {
    return at::cholesky_solve(q.view({factor_.size(0), -1}), factor_).contiguous().view(-1);
  }

  at::Tensor factor_;
  double scale_ = 1.0;
  std::deque<Pair> pairs_;
};

double largest(const at::Tensor& gradient) { return gradient.abs().max().item<double>(); }

/// Minimises `objective` from `w`, which it moves; returns the loss and counts iterations.
double minimise(const Logistic& objective, at::Tensor& w, const LinearProbeOptions& options, std::int64_t& iterations) {
  Curvature curvature(objective.curvature(w));
  at::Tensor gradient;
  double loss = objective(w, gradient);
  for (; iterations < options.max_iterations && largest(gradient) > options.gradient_tolerance; ++iterations) {
    const at::Tensor direction = curvature.direction(gradient);
    const double slope = scalar_product(gradient, direction);
    if (!(slope < 0.0)) break;
    Point point = LineSearch(objective, w, direction, {0.0, loss, slope, gradient}).run(1.0);
    if (point.step == 0.0 || !(point.loss <= loss)) break;
    const double progress = loss - point.loss;
    const at::Tensor step = direction.mul(point.step);
    w = w + step;
    curvature.add(step, point.gradient - gradient);
    gradient = point.gradient;
    loss = point.loss;
    if (progress < kLeastProgress) break;
  }
  return loss;
}

at::Tensor guesses(const LogisticFit& fit, const at::Tensor& x) { return at::addmm(fit.bias, x, fit.weight).argmax(1); }

double accuracy_of(const at::Tensor& guess, const at::Tensor& truth) {
  return guess.eq(truth).to(at::kDouble).mean().item<double>();
}

/// Accuracy, then minus the cross-entropy, of a fit: the larger the better.
std::pair<double, double> judgement(const LogisticFit& fit, const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor logs = at::log_softmax(at::addmm(fit.bias, x, fit.weight), 1);
  const double gain = logs.gather(1, y.unsqueeze(1)).mean().item<double>();
  return {accuracy_of(logs.argmax(1), y), gain};
}

/// C and its fit that do best on the last fifth of a permutation of the rows; 1 where there are too few rows.
std::pair<double, LogisticFit> choose_c(const at::Tensor& x, const at::Tensor& y, std::int64_t classes,
                                        const LinearProbeOptions& options, std::int64_t& iterations) {
  const std::int64_t cut = x.size(0) * 4 / 5;
  if (cut == 0 || options.grid.size() == 1) return {options.grid.size() == 1 ? options.grid.front() : 1.0, {}};
  const at::Tensor order = at::tensor(Rng(options.seed, Stream::probe, 3).permutation(x.size(0)), at::kLong);
  const at::Tensor learn = order.narrow(0, 0, cut), judge = order.narrow(0, cut, x.size(0) - cut);
  const at::Tensor a = x.index_select(0, learn), b = x.index_select(0, judge);
  const at::Tensor a_label = y.index_select(0, learn), b_label = y.index_select(0, judge);
  std::pair<double, LogisticFit> best;
  LogisticFit fit;
  std::pair<double, double> best_judgement = {-1.0, 0.0};
  for (const double c : options.grid) {
    fit = fit_logistic(a, a_label, classes, c, options, fit.weight.defined() ? &fit : nullptr);
    iterations += fit.iterations;
    const auto judged = judgement(fit, b, b_label);
    if (judged <= best_judgement) continue;
    best_judgement = judged;
    best = {c, fit};
  }
  return best;
}

void check_labels(const Features& features, std::int64_t classes, const char* what) {
  if (features.y.min().item<std::int64_t>() < 0 || features.y.max().item<std::int64_t>() >= classes)
    throw Error("labels must lie in 0 to " + std::to_string(classes - 1), what);
}

at::Tensor confusion_of(const at::Tensor& guess, const at::Tensor& truth, std::int64_t classes) {
  return at::bincount(truth * classes + guess, {}, classes * classes).view({classes, classes});
}

}  // namespace

LogisticFit fit_logistic(const at::Tensor& x, const at::Tensor& y, std::int64_t classes, double c,
                         const LinearProbeOptions& options, const LogisticFit* start) {
  const at::NoGradGuard no_grad;
  const Logistic objective(x, y, classes, c);
  at::Tensor w = start ? at::cat({start->weight, start->bias.unsqueeze(0)}).flatten()
                       : at::zeros({(x.size(1) + 1) * classes}, x.options());
  LogisticFit fit;
  fit.loss = minimise(objective, w, options, fit.iterations);
  const at::Tensor all = w.view({x.size(1) + 1, classes});
  fit.weight = all.narrow(0, 0, x.size(1));
  fit.bias = all.select(0, x.size(1));
  return fit;
}

LinearProbeResult linear_probe(const Features& train, const Features& test, std::int64_t classes,
                               const LinearProbeOptions& options) {
  const at::NoGradGuard no_grad;
  check_features(train.x, train.y, "linear probe, training part");
  check_features(test.x, test.y, "linear probe, test part");
  check_labels(train, classes, "linear probe, training part");
  check_labels(test, classes, "linear probe, test part");
  if (train.x.size(1) != test.x.size(1))
    throw Error("training features have " + std::to_string(train.x.size(1)) + " values, test features " +
                    std::to_string(test.x.size(1)),
                "linear probe");
  if (options.grid.empty()) throw Error("there is no C to choose from", "linear probe");
  // Classes without a training row would only push their bias to minus infinity: leave them out of the fit.
  const auto [present, y] = at::_unique(train.y, true, true);
  if (present.numel() < 2)
    throw Error("the training samples are all of one class", "linear probe", "use data of two classes or more");
  const at::Tensor mean = train.x.mean(0), deviation = train.x.std(0, train.x.size(0) > 1);
  const at::Tensor scale = at::where(deviation > 1e-6, deviation + 1e-6, at::ones_like(deviation));
  const at::Tensor x = (train.x - mean) / scale;
  LinearProbeResult result;
  auto [c, start] = choose_c(x, y, present.numel(), options, result.iterations);
  const LogisticFit fit = fit_logistic(x, y, present.numel(), c, options, start.weight.defined() ? &start : nullptr);
  const at::Tensor guess = present.index_select(0, guesses(fit, (test.x - mean) / scale));
  result.accuracy = accuracy_of(guess, test.y);
  result.c = c;
  result.guess = guess;
  result.confusion = confusion_of(guess, test.y, classes);
  result.train = train.size();
  result.test = test.size();
  result.iterations += fit.iterations;
  return result;
}

}  // namespace cairn

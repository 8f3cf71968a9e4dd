#include "evaluate/logistic.h"

#include <ATen/core/grad_mode.h>

#include <deque>

#include "evaluate/line_search.h"

namespace cairn {
namespace {

constexpr std::size_t kHistory = 10;
constexpr std::int64_t kRefresh = 25;     // iterations after which scores are computed anew
constexpr double kLeastJitter = 1e-5;     // of the mean moment: float32 cannot solve worse conditioned systems
constexpr std::int64_t kMomentRows = 16;  // times the width: rows that tell the second moments well enough

double total(const at::Tensor& x) { return x.sum(at::kDouble).item<double>(); }

/// Weight [D,C] and bias [C] as one thing to calculate with.
struct Parameters {
  at::Tensor weight, bias;

  Parameters plus(const Parameters& other, double factor) const {
    return {weight.add(other.weight, factor), bias.add(other.bias, factor)};
  }
  Parameters times(double factor) const { return {weight.mul(factor), bias.mul(factor)}; }
  Parameters minus(const Parameters& other) const { return plus(other, -1.0); }
  double dot(const Parameters& other) const {
    return at::dot(weight.view(-1), other.weight.view(-1)).item<double>() + at::dot(bias, other.bias).item<double>();
  }
  double largest() const { return std::max(weight.abs().max().item<double>(), bias.abs().max().item<double>()); }
};

/// The objective. Scores [N,C] stand for the parameters wherever that is cheaper.
class Objective {
 public:
  Objective(const at::Tensor& x, const at::Tensor& y, std::int64_t classes, double c, Link link)
      : x_(x),
        transposed_(x.t()),
        classes_(classes),
        penalty_(1.0 / (c * static_cast<double>(x.size(0)))),
        link_(link),
        y_(link == Link::softmax ? y.unsqueeze(1) : y) {
    if (link == Link::softmax) minus_one_ = at::full_like(y_, -1.0, x.options());
  }

  double penalty() const { return penalty_; }
  std::int64_t classes() const { return classes_; }
  const at::Tensor& x() const { return x_; }

  at::Tensor scores(const Parameters& w) const { return at::addmm(w.bias, x_, w.weight); }

  /// Mean cross-entropy of scores; their probabilities go to `chance`.
  double entropy(const at::Tensor& scores, at::Tensor& chance) const {
    if (link_ == Link::softmax) {
      at::Tensor logs = at::log_softmax(scores, 1);
      const double sum = -total(logs.gather(1, y_));
      chance = logs.exp_();
      return sum / rows();
    }
    const double sum = total(at::softplus(scores)) - total(scores * y_);
    chance = at::sigmoid(scores);
    return sum / rows();
  }

  /// How fast the mean cross-entropy changes where it has `chance`, along `direction` in scores.
  double slope(const at::Tensor& chance, const at::Tensor& direction) const {
    const double along = link_ == Link::softmax ? total(direction.gather(1, y_)) : total(direction * y_);
    return (total(chance * direction) - along) / rows();
  }

  /// Of the whole objective at `w`; uses `chance` up.
  Parameters gradient(at::Tensor& chance, const Parameters& w) const {
    if (link_ == Link::softmax) {
      chance.scatter_add_(1, y_, minus_one_);
    } else {
      chance.sub_(y_);
    }
    at::Tensor weight = at::mm(transposed_, chance).div_(rows()).add_(w.weight, penalty_);
    return {weight, chance.sum(0).div_(rows())};
  }

  double shrinkage(const Parameters& w) const { return 0.5 * penalty_ * total(w.weight.square()); }

  /// Mean variance of a class's probability, per class, where it is `chance`.
  double variance(const at::Tensor& chance) const {
    if (link_ == Link::sigmoid) return std::max(1e-6, (chance * (1.0 - chance)).mean().item<double>());
    const double others = std::max(1.0, static_cast<double>(classes_ - 1));
    return std::max(1e-6, 1.0 - chance.square().sum(1).mean().item<double>()) / others;
  }

 private:
  double rows() const { return static_cast<double>(x_.size(0)); }

  at::Tensor x_, transposed_;
  std::int64_t classes_;
  double penalty_;
  Link link_;
  at::Tensor y_, minus_one_;
};

/// A cheap stand-in for the Hessian, the same for every class: the second moments of the features and their constant,
/// times the mean variance of the classes, plus the penalty. Without it, the identity.
class Preconditioner {
 public:
  Preconditioner() = default;

  Preconditioner(const Objective& objective, const at::Tensor& chance) {
    const at::Tensor& all = objective.x();
    const std::int64_t stride = std::max<std::int64_t>(1, all.size(0) / (kMomentRows * all.size(1)));
    const at::Tensor x = all.slice(0, 0, all.size(0), stride);
    const at::Tensor with_one = at::cat({x, at::ones({x.size(0), 1}, x.options())}, 1);
    const double scale = objective.variance(chance) / static_cast<double>(x.size(0));
    const at::Tensor moments = at::mm(with_one.t(), with_one).to(at::kDouble).mul_(scale);
    factor_ = cholesky(moments, objective.penalty()).to(x.scalar_type());
  }

  Parameters solve(const Parameters& q) const {
    if (!factor_.defined()) return q;
    const at::Tensor all = at::cholesky_solve(at::cat({q.weight, q.bias.unsqueeze(0)}), factor_);
    const std::int64_t width = q.weight.size(0);
    return {all.narrow(0, 0, width).contiguous(), all.select(0, width).contiguous()};
  }

 private:
  /// The factor of the moments with the penalty, and with as much more on the diagonal as rounding asks for.
  static at::Tensor cholesky(const at::Tensor& moments, double penalty) {
    const double mean = moments.diagonal().mean().item<double>();
    for (double jitter = kLeastJitter; jitter < 1.0; jitter *= 100.0) {
      at::Tensor shifted = moments.clone();
      shifted.diagonal().add_(penalty + jitter * mean);
      const auto [factor, info] = at::linalg_cholesky_ex(shifted);
      if (info.item<int>() == 0) return factor;
    }
    return (moments.diagonal() + penalty + mean).sqrt().diag();
  }

  at::Tensor factor_;  // lower triangle [D+1,D+1]
};

/// The last steps and changes of gradient on top of a preconditioner: an approximation of the inverse Hessian.
class Curvature {
 public:
  explicit Curvature(Preconditioner first) : first_(std::move(first)) {}

  bool is_fresh() const { return pairs_.empty(); }

  void add(Parameters step, Parameters change) {
    const double product = step.dot(change);
    if (product <= 1e-12 * change.dot(change)) return;
    if (pairs_.size() == kHistory) pairs_.pop_front();
    scale_ = product / change.dot(first_.solve(change));
    pairs_.push_back({std::move(step), std::move(change), product});
  }

  /// Minus the inverse Hessian times `gradient` (Nocedal & Wright, algorithm 7.4).
  Parameters direction(const Parameters& gradient) const {
    Parameters q = gradient.times(-1.0);
    std::vector<double> alpha(pairs_.size());
    for (std::size_t i = pairs_.size(); i-- > 0;) {
      alpha[i] = pairs_[i].step.dot(q) / pairs_[i].product;
      q = q.plus(pairs_[i].change, -alpha[i]);
    }
    q = first_.solve(q).times(scale_);
    for (std::size_t i = 0; i < pairs_.size(); ++i)
      q = q.plus(pairs_[i].step, alpha[i] - pairs_[i].change.dot(q) / pairs_[i].product);
    return q;
  }

 private:
  struct Pair {
    Parameters step, change;
    double product;
  };

  Preconditioner first_;
  double scale_ = 1.0;
  std::deque<Pair> pairs_;
};

/// The parameters on their way to the minimum of the objective.
class Descent {
 public:
  Descent(const Objective& objective, Parameters start, bool is_zero, const LogisticOptions& options)
      : objective_(objective),
        options_(options),
        w_(std::move(start)),
        scores_(is_zero ? at::zeros({objective.x().size(0), objective.classes()}, w_.bias.options())
                        : objective.scores(w_)),
        loss_(objective.entropy(scores_, chance_) + objective.shrinkage(w_)),
        curvature_(options.precondition ? Preconditioner(objective, chance_) : Preconditioner()),
        gradient_(objective.gradient(chance_, w_)) {}

  LogisticFit run() {
    std::int64_t done = 0;
    while (done < options_.max_iterations && gradient_.largest() > options_.gradient_tolerance) {
      if (done > 0 && done % kRefresh == 0) scores_ = objective_.scores(w_);
      const double before = loss_;
      if (!step()) break;
      ++done;
      if (before - loss_ < options_.least_progress) break;
    }
    return {w_.weight, w_.bias, loss_, done};
  }

 private:
  /// One iteration; false where no way down is found.
  bool step() {
    const Parameters direction = curvature_.direction(gradient_);
    const double slope = gradient_.dot(direction);
    if (!(slope < 0.0)) return false;
    const at::Tensor along = objective_.scores(direction);
    const LinePoint found = search(direction, along, slope);
    if (found.step == 0.0 || !(found.value <= loss_)) return false;
    const Parameters change = direction.times(found.step);
    w_ = w_.plus(change, 1.0);
    scores_.add_(along, found.step);
    Parameters next = objective_.gradient(chance_, w_);
    curvature_.add(change, next.minus(gradient_));
    gradient_ = std::move(next);
    loss_ = found.value;
    return true;
  }

  /// A good step along `direction`, on which scores change by `along`; `chance_` is that of the step found.
  LinePoint search(const Parameters& direction, const at::Tensor& along, double slope) {
    const double inner = at::dot(w_.weight.view(-1), direction.weight.view(-1)).item<double>();
    const double square = total(direction.weight.square());
    const double shrinkage = objective_.shrinkage(w_), penalty = objective_.penalty();
    double tried = 0.0;
    const auto at_step = [&](double step) {
      tried = step;
      const double entropy = objective_.entropy(at::add(scores_, along, step), chance_);
      const double penalised = shrinkage + penalty * (step * inner + 0.5 * step * step * square);
      return LinePoint{step, entropy + penalised, objective_.slope(chance_, along) + penalty * (inner + step * square)};
    };
    const bool is_bare = curvature_.is_fresh() && !options_.precondition;
    const double first = is_bare ? std::min(1.0, 1.0 / std::sqrt(direction.dot(direction))) : 1.0;
    const LinePoint found = search_line(at_step, {0.0, loss_, slope}, first);
    if (tried != found.step) at_step(found.step);
    return found;
  }

  const Objective& objective_;
  const LogisticOptions& options_;
  Parameters w_;
  at::Tensor chance_, scores_;  // [N,C] at w_
  double loss_;
  Curvature curvature_;
  Parameters gradient_;
};

}  // namespace

at::Tensor LogisticFit::scores(const at::Tensor& x) const { return at::addmm(bias, x, weight); }

LogisticFit fit_logistic(const at::Tensor& x, const at::Tensor& y, std::int64_t classes, double c,
                         const LogisticOptions& options, const LogisticFit* start) {
  const at::NoGradGuard no_grad;
  const Objective objective(x, y, classes, c, options.link);
  if (start != nullptr) return Descent(objective, {start->weight, start->bias}, /*is_zero=*/false, options).run();
  const Parameters zero = {at::zeros({x.size(1), classes}, x.options()), at::zeros({classes}, x.options())};
  return Descent(objective, zero, /*is_zero=*/true, options).run();
}

}  // namespace cairn

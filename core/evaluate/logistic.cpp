#include "evaluate/logistic.h"

#include <ATen/core/grad_mode.h>

#include <deque>

#include "evaluate/line_search.h"

namespace cairn {
namespace {

constexpr std::size_t kHistory = 10;
constexpr std::int64_t kRefresh = 25;       // iterations after which scores are computed anew
constexpr double kLeastJitter = 1e-5;       // of the mean moment: float32 cannot serve worse conditioned systems
constexpr double kLeastGramJitter = 1e-10;  // of the mean length: centred rows depend on each other
constexpr double kFewRows = 1.25;           // values a row from which on the rows' own coordinates are cheaper
constexpr std::int64_t kColumns = 16, kFewColumns = 64;
constexpr std::int64_t kMomentRows = 16;  // times the width: rows that tell the second moments well enough

double total(const at::Tensor& x) { return x.sum(at::kDouble).item<double>(); }

/// a [N,D] times b [D,C]. MKL is up to twelve times slower where C is small and no multiple of 16, so it gets one.
at::Tensor thin_product(const at::Tensor& a, const at::Tensor& b) {
  const std::int64_t columns = b.size(1), missing = -columns & (kColumns - 1);
  if (missing == 0 || columns > kFewColumns) return at::mm(a, b);
  return at::mm(a, at::constant_pad_nd(b, {0, missing})).narrow(1, 0, columns).contiguous();
}

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
class PenalisedLoss {
 public:
  PenalisedLoss(const at::Tensor& x, const at::Tensor& y, std::int64_t classes, double c, Link link)
      : x_(x),
        classes_(classes),
        penalty_(1.0 / (c * static_cast<double>(x.size(0)))),
        link_(link),
        y_(link == Link::softmax ? y.unsqueeze(1) : y) {
    if (link == Link::softmax) minus_one_ = at::full_like(y_, -1.0, x.options());
  }

  double penalty() const { return penalty_; }
  std::int64_t classes() const { return classes_; }
  const at::Tensor& x() const { return x_; }

  at::Tensor scores(const Parameters& w) const { return thin_product(x_, w.weight).add_(w.bias); }

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
    at::Tensor weight = thin_product(x_.t(), chance).div_(rows()).add_(w.weight, penalty_);
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

  at::Tensor x_;
  std::int64_t classes_;
  double penalty_;
  Link link_;
  at::Tensor y_, minus_one_;
};

/// float64 [D,D]: the lower factor of a symmetric matrix with as much more on its diagonal as rounding asks for, from
/// `jitter` times its mean on.
at::Tensor cholesky(const at::Tensor& matrix, double jitter) {
  const double mean = matrix.diagonal().mean().item<double>();
  for (; jitter < 1.0; jitter *= 100.0) {
    at::Tensor shifted = matrix.clone();
    shifted.diagonal().add_(jitter * mean);
    const auto [factor, info] = at::linalg_cholesky_ex(shifted);
    if (info.item<int>() == 0) return factor;
  }
  return (matrix.diagonal() + mean).sqrt().diag();
}

/// float64 [D+1,D+1]: mean products of the features and a constant, over enough of the rows.
at::Tensor second_moments(const at::Tensor& all) {
  const std::int64_t stride = std::max<std::int64_t>(1, all.size(0) / (kMomentRows * all.size(1)));
  const at::Tensor x = all.slice(0, 0, all.size(0), stride);
  const at::Tensor with_one = at::cat({x, at::ones({x.size(0), 1}, x.options())}, 1);
  return at::mm(with_one.t(), with_one).to(at::kDouble).div_(static_cast<double>(x.size(0)));
}

/// A cheap stand-in for the Hessian, the same for every class: the second moments of the features and their constant,
/// times the mean variance of the classes, plus the penalty. Without it, the identity.
class Preconditioner {
 public:
  Preconditioner() = default;

  Preconditioner(const at::Tensor& moments, const PenalisedLoss& objective, const at::Tensor& chance) {
    at::Tensor hessian = moments * objective.variance(chance);
    hessian.diagonal().add_(objective.penalty());
    const at::Tensor factor = cholesky(hessian, kLeastJitter);
    const at::Tensor one = at::eye(factor.size(0), factor.options());
    inverse_ = at::linalg_solve_triangular(factor, one, /*upper=*/false).to(objective.x().scalar_type());
  }

  Parameters solve(const Parameters& q) const {
    if (!inverse_.defined()) return q;
    const at::Tensor half = thin_product(inverse_, at::cat({q.weight, q.bias.unsqueeze(0)}));
    const at::Tensor all = thin_product(inverse_.t(), half);
    const std::int64_t width = q.weight.size(0);
    return {all.narrow(0, 0, width), all.select(0, width)};
  }

 private:
  at::Tensor inverse_;  // of the factor [D+1,D+1]: products with it are cheaper than solving each time
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
  Descent(const PenalisedLoss& objective, const at::Tensor& moments, Parameters start, bool is_zero,
          const LogisticOptions& options)
      : objective_(objective),
        options_(options),
        w_(std::move(start)),
        scores_(is_zero ? at::zeros({objective.x().size(0), objective.classes()}, w_.bias.options())
                        : objective.scores(w_)),
        loss_(objective.entropy(scores_, chance_) + objective.shrinkage(w_)),
        curvature_(moments.defined() ? Preconditioner(moments, objective, chance_) : Preconditioner()),
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

  const PenalisedLoss& objective_;
  const LogisticOptions& options_;
  Parameters w_;
  at::Tensor chance_, scores_;  // [N,C] at w_
  double loss_;
  Curvature curvature_;
  Parameters gradient_;
};

}  // namespace

/// Rows as coordinates in the space they span, where there are fewer rows than values. The best weights lie in that
/// space, and their length is the same there.
class LogisticRegression::RowSpan {
 public:
  explicit RowSpan(const at::Tensor& x) : x_(x) {
    const at::Tensor wide = x.to(at::kDouble);
    factor_ = cholesky(at::mm(wide, wide.t()), kLeastGramJitter);
  }

  at::Tensor rows() const { return factor_.to(x_.scalar_type()); }  // [N,N]

  /// Weights [D,C] as [N,C].
  at::Tensor inward(const at::Tensor& weight) const {
    const at::Tensor scores = thin_product(x_, weight).to(at::kDouble);
    return at::linalg_solve_triangular(factor_, scores, /*upper=*/false).to(x_.scalar_type()).contiguous();
  }

  /// Weights [N,C] as [D,C].
  at::Tensor outward(const at::Tensor& weight) const {
    const at::Tensor share = at::linalg_solve_triangular(factor_.t(), weight.to(at::kDouble), /*upper=*/true);
    return thin_product(x_.t(), share.to(x_.scalar_type()));
  }

 private:
  at::Tensor x_, factor_;  // the factor of all products of two rows, float64 [N,N]
};

at::Tensor LogisticFit::scores(const at::Tensor& x) const { return thin_product(x, weight).add_(bias); }

LogisticRegression::LogisticRegression(const at::Tensor& x, const at::Tensor& y, std::int64_t classes,
                                       const LogisticOptions& options)
    : x_(x), y_(y), classes_(classes), options_(options) {
  const at::NoGradGuard no_grad;
  if (!options.precondition) return;
  if (kFewRows * static_cast<double>(x.size(0)) < static_cast<double>(x.size(1))) {
    span_ = std::make_shared<const RowSpan>(x);
    x_ = span_->rows();
  }
  moments_ = second_moments(x_);
}

LogisticFit LogisticRegression::fit(double c, const LogisticFit* start) const {
  const at::NoGradGuard no_grad;
  const PenalisedLoss objective(x_, y_, classes_, c, options_.link);
  Parameters first;
  if (start != nullptr) {
    first = {span_ ? span_->inward(start->weight) : start->weight, start->bias};
  } else {
    first = {at::zeros({x_.size(1), classes_}, x_.options()), at::zeros({classes_}, x_.options())};
  }
  LogisticFit found = Descent(objective, moments_, first, /*is_zero=*/start == nullptr, options_).run();
  if (span_) found.weight = span_->outward(found.weight);
  return found;
}

LogisticFit fit_logistic(const at::Tensor& x, const at::Tensor& y, std::int64_t classes, double c,
                         const LogisticOptions& options, const LogisticFit* start) {
  return LogisticRegression(x, y, classes, options).fit(c, start);
}

}  // namespace cairn

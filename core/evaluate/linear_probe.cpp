#include "evaluate/linear_probe.h"

#include <ATen/core/grad_mode.h>

#include "cairn/error.h"
#include "cairn/rng.h"
#include "evaluate/metrics.h"

namespace cairn {
namespace {

constexpr double kLeastDeviation = 1e-6;

at::Tensor chances(const at::Tensor& scores, Link link) {
  return link == Link::softmax ? at::softmax(scores, 1) : at::sigmoid(scores);
}

/// How well the fit does on rows it has not seen, then minus its cross-entropy there: the larger the better.
std::pair<double, double> judgement(const LogisticFit& fit, const at::Tensor& x, const at::Tensor& y, Link link) {
  const at::Tensor scores = fit.scores(x);
  if (link == Link::sigmoid)
    return {mean_average_precision(scores, y), -at::binary_cross_entropy_with_logits(scores, y).item<double>()};
  return {accuracy(scores.argmax(1), y), -at::cross_entropy_loss(scores, y).item<double>()};
}

struct Choice {
  double c = 1.0;
  LogisticFit fit;
};

/// C and its fit that do best on the last fifth of a permutation of the rows; 1 where there are too few rows.
Choice choose_c(const at::Tensor& x, const at::Tensor& y, std::int64_t classes, const LinearProbeOptions& options,
                std::int64_t& iterations) {
  if (options.grid.size() == 1) return {options.grid.front(), {}};
  const std::int64_t cut = x.size(0) * 4 / 5;
  if (cut == 0) return {};
  const at::Tensor order = at::tensor(Rng(options.seed, Stream::probe, 3).permutation(x.size(0)), at::kLong);
  const at::Tensor learn = order.narrow(0, 0, cut), judge = order.narrow(0, cut, x.size(0) - cut);
  const at::Tensor a = x.index_select(0, learn), b = x.index_select(0, judge);
  const at::Tensor a_label = y.index_select(0, learn), b_label = y.index_select(0, judge);
  const LogisticRegression regression(a, a_label, classes, options.fit);
  Choice best;
  LogisticFit fit;
  std::pair<double, double> best_judgement = {-1.0, 0.0};
  for (const double c : options.grid) {
    fit = regression.fit(c, fit.weight.defined() ? &fit : nullptr);
    iterations += fit.iterations;
    const auto judged = judgement(fit, b, b_label, options.fit.link);
    if (judged <= best_judgement) continue;
    best_judgement = judged;
    best = {c, fit};
  }
  return best;
}

}  // namespace

LinearProbe::LinearProbe(const Features& train, std::int64_t classes, const LinearProbeOptions& options)
    : classes_(classes) {
  const at::NoGradGuard no_grad;
  check_features(train.x, train.y, "linear probe, training part");
  check_labels(train.y, classes, "linear probe, training part");
  if (options.grid.empty()) throw Error("there is no C to choose from", "linear probe");
  LinearProbeOptions how = options;
  how.fit.link = train.y.dim() == 2 ? Link::sigmoid : Link::softmax;
  at::Tensor y = train.y;
  std::int64_t fitted = classes;
  if (how.fit.link == Link::softmax) {
    // Classes without a training row would only push their bias to minus infinity: leave them out of the fit.
    std::tie(present_, y) = at::_unique(train.y, true, true);
    fitted = present_.numel();
    if (fitted < 2)
      throw Error("the training samples are all of one class", "linear probe", "use data of two classes or more");
  }
  mean_ = train.x.mean(0);
  at::Tensor x = train.x - mean_;
  const double freedom = std::max<double>(1.0, static_cast<double>(x.size(0) - 1));
  const at::Tensor deviation = at::linalg_vector_norm(x, 2, at::IntArrayRef({0})).div_(std::sqrt(freedom));
  scale_ = at::where(deviation > kLeastDeviation, deviation + kLeastDeviation, at::ones_like(deviation));
  x.div_(scale_);
  const Choice chosen = choose_c(x, y, fitted, how, iterations_);
  c_ = chosen.c;
  fit_ = fit_logistic(x, y, fitted, c_, how.fit, chosen.fit.weight.defined() ? &chosen.fit : nullptr);
  iterations_ += fit_.iterations;
}

at::Tensor LinearProbe::operator()(const at::Tensor& x) const {
  const at::NoGradGuard no_grad;
  if (x.dim() != 2 || x.size(1) != mean_.size(0))
    throw Error("training features have " + std::to_string(mean_.size(0)) + " values, test features " +
                    std::to_string(x.size(-1)),
                "linear probe");
  const Link link = present_.defined() ? Link::softmax : Link::sigmoid;
  const at::Tensor fitted = chances(fit_.scores((x - mean_).div_(scale_)), link);
  if (!present_.defined() || present_.numel() == classes_) return fitted;
  return at::zeros({x.size(0), classes_}, x.options()).index_copy_(1, present_, fitted);
}

LinearProbeResult linear_probe(const Features& train, const Features& test, std::int64_t classes,
                               const LinearProbeOptions& options) {
  check_features(test.x, test.y, "linear probe, test part");
  check_labels(test.y, classes, "linear probe, test part");
  const LinearProbe probe(train, classes, options);
  LinearProbeResult result;
  result.guess = probe(test.x).argmax(1);
  result.accuracy = accuracy(result.guess, test.y);
  result.c = probe.c();
  if (classes <= kMostConfused) result.confusion = confusion(result.guess, test.y, classes);
  result.train = train.size();
  result.test = test.size();
  result.iterations = probe.iterations();
  return result;
}

}  // namespace cairn

#include "clusters.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "cairn/collective.h"
#include "cairn/error.h"
#include "views.h"

namespace cairn::contrastive {
namespace {

constexpr const char* kSwav = "objective contrastive.swav";

/// Cross-entropy [scalar] of the distribution behind `scores` with `wanted`, both [B,K].
at::Tensor cross_entropy(const at::Tensor& wanted, const at::Tensor& scores, double temperature) {
  return -(wanted * at::log_softmax(scores.to(at::kFloat) / temperature, 1)).sum(1).mean();
}

/// Every asked token [B,Q,K] as a row of its own.
Pair flat(const Pair& pair) { return {pair.prediction.flatten(0, -2), pair.target.flatten(0, -2), pair.query}; }

/// Mean over the rows of the entropy of distributions [B,K].
at::Tensor entropy(const at::Tensor& p) { return -(p * p.clamp_min(1e-30).log()).sum(1).mean(); }

}  // namespace

Schema<DinoOptions> DinoOptions::schema() {
  using O = DinoOptions;
  Schema<O> s("DINO: the student's distribution over prototypes follows the teacher's, centred and sharpened");
  s.option("level", &O::level, {{"pooled", Level::pooled}, {"tokens", Level::tokens}},
           "what is compared: views as in DINO, or tokens that the student sees masked as in iBOT");
  s.option("student_temperature", &O::student_temperature, "divides the student's scores").range(1e-4, 100);
  s.option("teacher_temperature", &O::teacher_temperature, "divides the teacher's scores").range(1e-4, 100);
  s.option("start_temperature", &O::start_temperature, "the teacher's at the first step; 0: teacher_temperature")
      .range(0, 100);
  s.option("warmup_share", &O::warmup_share, "share of the steps from start_temperature to teacher_temperature")
      .range(0, 1);
  s.option("center_momentum", &O::center_momentum, "share the centre keeps at each step").range(0, 1);
  s.option("center_start", &O::center_start, {{"zero", CenterStart::zero}, {"batch", CenterStart::batch}},
           "the centre at the first step: 0 as in DINO, or the mean of the first batch");
  return s;
}

Dino::Dino(const DinoOptions& options, const ObjectiveSetting& setting)
    : options_(options), center_(register_buffer("center", at::zeros({setting.prediction_width}))) {}

TargetSpec Dino::target() const {
  TargetSpec spec = pooled_target(Source::teacher, options_.level == Level::pooled ? 2 : 1);
  spec.level = options_.level;
  return spec;
}

double Dino::teacher_temperature(const Progress& progress) const {
  if (options_.start_temperature <= 0 || options_.warmup_share <= 0) return options_.teacher_temperature;
  const double share = std::min(1.0, progress.fraction() / options_.warmup_share);
  return options_.start_temperature + share * (options_.teacher_temperature - options_.start_temperature);
}

LossReport Dino::evaluate(const StepView& step) {
  const double temperature = teacher_temperature(step.progress);
  std::map<const void*, at::Tensor> wanted;  // by target: many queries are about the same view
  const at::Tensor center = starts(step) ? mean_target(step) : center_;
  at::Tensor sum, first;
  for (Pair pair : step.pairs) {
    const void* key = pair.target.unsafeGetTensorImpl();
    if (options_.level == Level::tokens) pair = flat(pair);
    check_pair(pair, "objective contrastive.dino");
    at::Tensor& p = wanted[key];
    if (!p.defined()) p = at::softmax((pair.target.to(at::kFloat) - center) / temperature, 1);
    if (!first.defined()) first = p;
    const at::Tensor loss = cross_entropy(p, pair.prediction, options_.student_temperature);
    sum = sum.defined() ? sum + loss : loss;
  }
  if (!sum.defined())
    throw Error("no query was answered", "objective contrastive.dino", "use a masker that asks at the level compared");
  LossReport report{sum / static_cast<double>(step.pairs.size()), {}};
  report.terms.emplace_back("teacher_entropy", entropy(first));
  report.terms.emplace_back("mean_entropy", entropy(first.mean(0, /*keepdim=*/true)));
  return report;
}

bool Dino::starts(const StepView& step) const {
  return options_.center_start == CenterStart::batch && step.progress.step == 0;
}

bool Dino::is_steady(const Progress& progress) const {
  const bool is_warm = options_.start_temperature <= 0 || progress.fraction() >= options_.warmup_share;
  return is_warm && progress.step > 0;
}

at::Tensor Dino::mean_target(const StepView& step) const {
  at::Tensor sum = at::zeros_like(center_);
  const std::vector<at::Tensor> targets = distinct_targets(step);
  for (const at::Tensor& target : targets) sum += gather_rows(target.to(at::kFloat).flatten(0, -2)).mean(0);
  return sum / static_cast<double>(targets.size());
}

void Dino::settle(const StepView& step) {
  const double kept = starts(step) ? 0.0 : options_.center_momentum;
  center_.mul_(kept).add_(mean_target(step), 1.0 - kept);
}

Schema<SwavOptions> SwavOptions::schema() {
  using O = SwavOptions;
  Schema<O> s("SwAV: each view's scores for the prototypes predict the balanced codes of the others");
  s.option("temperature", &O::temperature, "divides the scores in the prediction").range(1e-4, 100);
  s.option("epsilon", &O::epsilon, "divides the scores in the codes: the smaller, the harder they are")
      .range(1e-4, 100);
  s.option("iterations", &O::iterations, "of Sinkhorn-Knopp").range(1, 1000);
  s.option("queue", &O::queue, "scores of earlier batches that the codes are balanced with, for small batches")
      .range(0, 1 << 22);
  s.option("queue_start", &O::queue_start, "share of the steps after which the queue counts, once it is full")
      .range(0, 1);
  return s;
}

at::Tensor sinkhorn(const at::Tensor& scores, double epsilon, std::int64_t iterations) {
  at::Tensor log_codes = scores.to(at::kFloat) / epsilon;
  for (std::int64_t i = 0; i < iterations; ++i) {
    log_codes = log_codes - log_codes.logsumexp(at::IntArrayRef{0}, /*keepdim=*/true);
    log_codes = log_codes - log_codes.logsumexp(at::IntArrayRef{1}, /*keepdim=*/true);
  }
  return log_codes.exp();
}

Swav::Swav(const SwavOptions& options, const ObjectiveSetting& setting) : options_(options) {
  if (options.queue > 0) queue_ = register_buffer("queue", at::zeros({options.queue, setting.prediction_width}));
}

TargetSpec Swav::target() const { return pooled_target(Source::none); }

std::map<int, at::Tensor> Swav::asked_scores(const StepView& step) const {
  std::map<int, at::Tensor> of_view, asked;
  for (const Pair& pair : step.pairs)
    of_view[step.plan->contexts[static_cast<std::size_t>(pair.query->context)].view] = pair.prediction;
  for (const Pair& pair : step.pairs) {
    const auto found = of_view.find(pair.query->view);
    if (found == of_view.end())
      throw Error("a view is asked about that no context shows", kSwav, "use contrastive.cross or local_to_global");
    asked[pair.query->view] = found->second.detach().to(at::kFloat);
  }
  return asked;
}

at::Tensor Swav::codes(const at::Tensor& scores, const StepView& step, std::int64_t pushed) const {
  const std::int64_t rows = scores.size(0);
  at::Tensor all = gather_rows(scores);
  const bool is_full = queue_.defined() && step.progress.step * pushed >= queue_.size(0);
  if (is_full && step.progress.fraction() >= options_.queue_start) all = at::cat({all, queue_});
  return sinkhorn(all, options_.epsilon, options_.iterations).narrow(0, first_gathered_row(rows), rows);
}

bool Swav::is_steady(const Progress& progress) const {
  // A step pushes one row or more.
  return !queue_.defined() || (progress.fraction() >= options_.queue_start && progress.step >= queue_.size(0));
}

LossReport Swav::evaluate(const StepView& step) {
  answers(step, kSwav);
  std::map<int, at::Tensor> wanted = asked_scores(step);
  std::int64_t pushed = 0;
  for (const auto& [view, scores] : wanted) pushed += scores.size(0);
  for (auto& [view, scores] : wanted) scores = codes(scores, step, pushed);
  at::Tensor sum;
  for (const Pair& pair : step.pairs) {
    const at::Tensor loss = cross_entropy(wanted.at(pair.query->view), pair.prediction, options_.temperature);
    sum = sum.defined() ? sum + loss : loss;
  }
  LossReport report{sum / static_cast<double>(step.pairs.size()), {}};
  report.terms.emplace_back("code_entropy", entropy(wanted.begin()->second));
  return report;
}

void Swav::settle(const StepView& step) {
  if (!queue_.defined()) return;
  const std::map<int, at::Tensor> asked = asked_scores(step);
  std::vector<at::Tensor> seen, rows = {queue_};
  for (const Pair& pair : step.pairs) {
    const bool is_asked = asked.contains(step.plan->contexts[static_cast<std::size_t>(pair.query->context)].view);
    const auto is_new = [&](const at::Tensor& t) { return !t.is_same(pair.prediction); };
    if (!is_asked || !std::all_of(seen.begin(), seen.end(), is_new)) continue;
    seen.push_back(pair.prediction);
    rows.push_back(gather_rows(pair.prediction.detach().to(at::kFloat)));
  }
  const at::Tensor all = at::cat(rows);
  queue_.copy_(all.narrow(0, all.size(0) - queue_.size(0), queue_.size(0)));
}

}  // namespace cairn::contrastive

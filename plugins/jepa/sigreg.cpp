#include "sigreg.h"

#include <ATen/ATen.h>

#include <set>

#include "cairn/collective.h"
#include "cairn/error.h"

namespace cairn::jepa {
namespace {

/// The answer of each asked context once, [B,D] floats of all processes.
std::vector<at::Tensor> view_features(const StepView& step) {
  std::vector<at::Tensor> views;
  std::set<int> contexts;
  for (const Pair& pair : step.pairs)
    if (contexts.insert(pair.query->context).second) views.push_back(gather_rows(pair.prediction.to(at::kFloat)));
  for (const at::Tensor& view : views)
    if (view.dim() != 2 || view.sizes() != views.front().sizes())
      throw Error("the answers are not one vector a sample, or differ in width", "objective jepa.sigreg",
                  "use a masker that asks about whole views, such as contrastive.cross");
  return views;
}

}  // namespace

Schema<SigregOptions> SigregOptions::schema() {
  using O = SigregOptions;
  Schema<O> s("LeJEPA: views agree with their mean, and features are normal along random directions");
  s.option("lambda", &O::lambda, "share of SIGReg in the loss; the rest is the invariance").range(0, 1);
  s.option("slices", &O::slices, "random directions of each step").range(1, 1 << 20);
  s.option("knots", &O::knots, "points at which characteristic functions are compared").range(2, 1 << 12);
  s.option("t_max", &O::t_max, "the last of them; the first is 0").range(1e-3, 100);
  return s;
}

Sigreg::Sigreg(const SigregOptions& options, const ObjectiveSetting&)
    : options_(options), directions_(register_buffer("directions", at::empty({0}))) {}

TargetSpec Sigreg::target() const {
  TargetSpec spec;
  spec.source = Source::none;
  spec.level = Level::pooled;
  spec.views = 2;
  return spec;
}

at::Tensor Sigreg::directions(const at::Tensor& like) const {
  if (directions_.numel() > 0) return directions_;
  const at::Tensor drawn = at::randn({like.size(1), options_.slices}, like.options());
  return drawn / drawn.norm(2, 0, /*keepdim=*/true);
}

at::Tensor Sigreg::statistic(const at::Tensor& z, const at::Tensor& directions) const {
  const at::Tensor t = at::linspace(0.0, options_.t_max, options_.knots, z.options());
  const double step = options_.t_max / static_cast<double>(options_.knots - 1);
  at::Tensor weight = at::full({options_.knots}, 2.0 * step, z.options());
  weight[0] = step;
  weight[-1] = step;
  const at::Tensor wanted = (-0.5 * t.square()).exp();
  const at::Tensor angle = z.matmul(directions).unsqueeze(-1) * t;  // [B,S,T]
  const at::Tensor error = (angle.cos().mean(0) - wanted).square() + angle.sin().mean(0).square();
  return error.matmul(weight * wanted).mean() * static_cast<double>(z.size(0));
}

LossReport Sigreg::evaluate(const StepView& step) {
  const std::vector<at::Tensor> views = view_features(step);
  if (views.size() < 2)
    throw Error("fewer than two views answered", "objective jepa.sigreg",
                "use a masker that asks several views, such as contrastive.cross");
  const at::Tensor stacked = at::stack(views);  // [V,B,D]
  const at::Tensor along = directions(views.front());
  const at::Tensor invariance = (stacked - stacked.mean(0)).square().mean();
  at::Tensor normality = at::zeros({}, stacked.options());
  for (const at::Tensor& view : views) normality = normality + statistic(view, along);
  normality = normality / static_cast<double>(views.size());
  LossReport report{(1.0 - options_.lambda) * invariance + options_.lambda * normality, {}};
  report.terms.emplace_back("invariance", invariance.detach());
  report.terms.emplace_back("sigreg", normality.detach());
  return report;
}

Schema<VarianceCovarianceOptions> VarianceCovarianceOptions::schema() {
  using O = VarianceCovarianceOptions;
  Schema<O> s("VICReg's variance and covariance terms on the student's features, beside another objective");
  s.option("variance", &O::variance, "weight of the shortfall of the features' deviations").range(0, 1e6);
  s.option("covariance", &O::covariance, "weight of the squared covariances").range(0, 1e6);
  s.option("gamma", &O::gamma, "deviation that a feature should have").range(0, 1e3);
  s.option("epsilon", &O::epsilon, "added to the variance inside the root").range(1e-12, 1);
  s.option("tokens", &O::tokens, "statistics over all tokens of the batch instead of pooled features");
  return s;
}

TargetSpec VarianceCovariance::target() const {
  TargetSpec spec;
  spec.source = Source::none;
  spec.level = Level::pooled;
  return spec;
}

LossReport VarianceCovariance::evaluate(const StepView& step) {
  at::Tensor variance, covariance;
  for (const Encoded& context : step.contexts) {
    const at::Tensor features = (options_.tokens ? context.tokens.flatten(0, 1) : context.pooled).to(at::kFloat);
    const at::Tensor z = gather_rows(features);
    const auto rows = static_cast<double>(z.size(0)), width = static_cast<double>(z.size(1));
    if (rows < 2)
      throw Error("statistics over one row", "objective jepa.variance_covariance", "raise train.batch_size");
    const at::Tensor centred = z - z.mean(0), matrix = centred.t().mm(centred) / (rows - 1);
    const at::Tensor diagonal = matrix.diagonal();
    const at::Tensor shortfall = (options_.gamma - (diagonal + options_.epsilon).sqrt()).relu().mean();
    // Not a difference of two sums: small values would drown in the rounding of large ones on the diagonal.
    const at::Tensor rest = (matrix - diagonal.diag()).square().sum() / width;
    variance = variance.defined() ? variance + shortfall : shortfall;
    covariance = covariance.defined() ? covariance + rest : rest;
  }
  const auto count = static_cast<double>(step.contexts.size());
  LossReport report{(options_.variance * variance + options_.covariance * covariance) / count, {}};
  report.terms.emplace_back("variance", variance.detach() / count);
  report.terms.emplace_back("covariance", covariance.detach() / count);
  return report;
}

}  // namespace cairn::jepa

#include "redundancy.h"

#include <ATen/ATen.h>

#include "cairn/collective.h"
#include "cairn/error.h"
#include "views.h"

namespace cairn::contrastive {
namespace {

constexpr double kNormEpsilon = 1e-5;  // of the batch norm without affine that ends Barlow Twins' projector

at::Tensor standardised(const at::Tensor& z) {
  const at::Tensor centred = z - z.mean(0, /*keepdim=*/true);
  return centred / (centred.square().mean(0, /*keepdim=*/true) + kNormEpsilon).sqrt();
}

/// As a difference of two sums, small values would drown in the rounding of large ones on the diagonal.
at::Tensor sum_of_squares_off_diagonal(const at::Tensor& matrix) {
  return (matrix - matrix.diagonal().diag()).square().sum();
}

}  // namespace

Schema<BarlowTwinsOptions> BarlowTwinsOptions::schema() {
  Schema<BarlowTwinsOptions> s("Barlow Twins: features of two views correlate with themselves and with no other");
  s.option("lambda", &BarlowTwinsOptions::lambda, "weight of the correlations between different features")
      .range(0, 1e3);
  return s;
}

TargetSpec BarlowTwins::target() const { return pooled_target(Source::none); }

LossReport BarlowTwins::evaluate(const StepView& step) {
  std::vector<at::Tensor> views = gathered_answers(step, "objective contrastive.barlow_twins");
  for (at::Tensor& view : views) view = standardised(view);
  at::Tensor diagonal = at::zeros({}, views.front().options()), rest = diagonal;
  double pairs = 0;
  for (std::size_t a = 0; a < views.size(); ++a)
    for (std::size_t b = a + 1; b < views.size(); ++b, ++pairs) {
      const at::Tensor correlation = views[a].t().mm(views[b]) / static_cast<double>(views[a].size(0));
      diagonal = diagonal + (correlation.diagonal() - 1.0).square().sum();
      rest = rest + sum_of_squares_off_diagonal(correlation);
    }
  diagonal = diagonal / pairs;
  rest = rest / pairs;
  LossReport report{diagonal + options_.lambda * rest, {}};
  report.terms.emplace_back("diagonal", diagonal.detach());
  report.terms.emplace_back("off_diagonal", rest.detach());
  return report;
}

Schema<VicregOptions> VicregOptions::schema() {
  Schema<VicregOptions> s("VICReg: views of a sample agree, features vary over the batch and do not covary");
  s.option("invariance", &VicregOptions::invariance, "weight of the squared difference of two views").range(0, 1e6);
  s.option("variance", &VicregOptions::variance, "weight of the shortfall of the features' deviations").range(0, 1e6);
  s.option("covariance", &VicregOptions::covariance, "weight of the squared covariances").range(0, 1e6);
  s.option("gamma", &VicregOptions::gamma, "deviation that a feature should have").range(0, 1e3);
  s.option("epsilon", &VicregOptions::epsilon, "added to the variance inside the root").range(1e-12, 1);
  return s;
}

TargetSpec Vicreg::target() const { return pooled_target(Source::none); }

LossReport Vicreg::evaluate(const StepView& step) {
  const std::vector<at::Tensor> views = gathered_answers(step, "objective contrastive.vicreg");
  const auto count = static_cast<double>(views.size());
  const auto rows = static_cast<double>(views.front().size(0)), width = static_cast<double>(views.front().size(1));
  at::Tensor invariance = at::zeros({}, views.front().options()), variance = invariance, covariance = invariance;
  for (std::size_t a = 0; a < views.size(); ++a) {
    const at::Tensor centred = views[a] - views[a].mean(0);
    const at::Tensor deviation = (centred.square().sum(0) / (rows - 1) + options_.epsilon).sqrt();
    variance = variance + (options_.gamma - deviation).relu().mean() / count;
    covariance = covariance + sum_of_squares_off_diagonal(centred.t().mm(centred) / (rows - 1)) / width * (2.0 / count);
    for (std::size_t b = a + 1; b < views.size(); ++b)
      invariance = invariance + at::mse_loss(views[a], views[b]) / (count * (count - 1) / 2);
  }
  LossReport report{options_.invariance * invariance + options_.variance * variance + options_.covariance * covariance,
                    {}};
  report.terms.emplace_back("invariance", invariance.detach());
  report.terms.emplace_back("variance", variance.detach());
  report.terms.emplace_back("covariance", covariance.detach());
  return report;
}

}  // namespace cairn::contrastive

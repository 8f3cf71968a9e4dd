#include "pixel_regression.h"

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "cairn/error.h"

namespace cairn::generative {

namespace {

constexpr double kEpsilon = 1e-6;  // MAE adds it to the variance, VideoMAE to the deviation

/// Mean over the values of a patch of the deviation over batch and tokens, a scalar.
at::Tensor deviation(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}).std(0, /*unbiased=*/false).mean(); }

}  // namespace

Schema<PixelRegressionOptions> PixelRegressionOptions::schema() {
  using O = PixelRegressionOptions;
  Schema<O> s("Regression of the input's own values, the objective of MAE, VideoMAE, AudioMAE and SimMIM");
  s.option("patch_norm", &O::patch_norm,
           {{"none", PatchNorm::none}, {"patch", PatchNorm::patch}, {"patch_channel", PatchNorm::patch_channel}},
           "what is standardised in the target: nothing as in SimMIM, each patch as in MAE, or each channel of each "
           "patch as in VideoMAE");
  s.option("loss", &O::loss, {{"l2", Loss::l2}, {"l1", Loss::l1}, {"smooth_l1", Loss::smooth_l1}},
           "what a difference costs: its square as in MAE, L1 as in SimMIM, or smooth L1");
  s.option("beta", &O::beta, "difference at which smooth L1 turns linear").range(1e-6, 1e6);
  return s;
}

PixelRegression::PixelRegression(const PixelRegressionOptions& options, const ObjectiveSetting& setting)
    : options_(options), channels_(setting.tokenizer.channels) {
  const std::int64_t values = setting.tokenizer.values();
  const std::int64_t together = options.patch_norm == PatchNorm::patch_channel ? values / channels_ : values;
  if (options.patch_norm != PatchNorm::none && together < 2)
    throw ConfigError("patch_norm", "a single value cannot be standardised", "choose larger patches, or \"none\"");
}

TargetSpec PixelRegression::target() const {
  TargetSpec spec;
  spec.source = Source::input;
  return spec;
}

at::Tensor PixelRegression::by_channel(const at::Tensor& patches) const {
  return patches.to(at::kFloat).unflatten(-1, {-1, channels_});
}

PixelRegression::Moments PixelRegression::moments(const at::Tensor& values) const {
  if (options_.patch_norm == PatchNorm::patch) {
    const auto [variance, mean] = at::var_mean(values, at::IntArrayRef{-2, -1}, /*unbiased=*/true, /*keepdim=*/true);
    return {mean, (variance + kEpsilon).sqrt()};
  }
  const auto [variance, mean] = at::var_mean(values, at::IntArrayRef{-2}, /*unbiased=*/true, /*keepdim=*/true);
  return {mean, variance.sqrt() + kEpsilon};
}

at::Tensor PixelRegression::refine(const at::Tensor& target) {
  if (options_.patch_norm == PatchNorm::none) return target.to(at::kFloat);
  const at::Tensor given = by_channel(target);
  // Differences of neighbouring values are exact, so that the rounding of the mean is none of a nearly flat patch.
  at::Tensor first = given.narrow(-2, 0, 1);
  if (options_.patch_norm == PatchNorm::patch) first = first.narrow(-1, 0, 1);
  const at::Tensor values = given - first;
  const Moments m = moments(values);
  return ((values - m.mean) / m.scale).flatten(-2);
}

at::Tensor PixelRegression::restore(const at::Tensor& prediction, const at::Tensor& target) const {
  if (options_.patch_norm == PatchNorm::none) return prediction.to(at::kFloat);
  const Moments m = moments(by_channel(target));
  return (by_channel(prediction) * m.scale + m.mean).flatten(-2);
}

at::Tensor PixelRegression::cost(const at::Tensor& prediction, const at::Tensor& target) const {
  switch (options_.loss) {
    case Loss::l1:
      return at::l1_loss(prediction, target);
    case Loss::smooth_l1:
      return at::smooth_l1_loss(prediction, target, at::Reduction::Mean, options_.beta);
    default:
      return at::mse_loss(prediction, target);
  }
}

LossReport PixelRegression::evaluate(const StepView& step) {
  if (step.pairs.empty())
    throw Error("no query was answered", "objective generative.pixel_regression",
                "use a masker that asks about tokens");
  std::vector<at::Tensor> costs;
  for (const Pair& pair : step.pairs) {
    if (pair.prediction.sizes() != pair.target.sizes())
      throw Error("a prediction has another shape than its target", "objective generative.pixel_regression",
                  "use a predictor of tokens, such as transformer.narrow");
    costs.push_back(cost(pair.prediction.to(at::kFloat), pair.target.to(at::kFloat)));
  }
  LossReport report;
  report.total = at::stack(costs).mean();
  report.terms.emplace_back("reconstruction", report.total.detach());
  // One query shows the state of the run as well as all of them, and costs less.
  report.terms.emplace_back("prediction_std", deviation(step.pairs.front().prediction.detach().to(at::kFloat)));
  report.terms.emplace_back("target_std", deviation(step.pairs.front().target.detach().to(at::kFloat)));
  return report;
}

}  // namespace cairn::generative

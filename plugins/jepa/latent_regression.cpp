#include "latent_regression.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <string>

#include "cairn/error.h"

namespace cairn::jepa {

namespace {

constexpr double kNormEpsilon = 1e-5;  // of PyTorch's layer_norm, which the originals call with its default

/// Mean over channels of the deviation over batch and tokens, a scalar.
at::Tensor deviation(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}).std(0, /*unbiased=*/false).mean(); }

/// V-JEPA's collapse guard: mean of relu(1 - s), s [B,D] the deviation over the tokens, averaged over the queries.
at::Tensor variance_shortfall(std::span<const Pair> pairs) {
  at::Tensor sum;
  for (const Pair& pair : pairs) {
    const at::Tensor s = (pair.prediction.to(at::kFloat).var(1, /*unbiased=*/true) + 1e-4).sqrt();
    sum = sum.defined() ? sum + s : s;
  }
  return (1.0 - sum / static_cast<double>(pairs.size())).relu().mean();
}

}  // namespace

Schema<LatentRegressionOptions> LatentRegressionOptions::schema() {
  using O = LatentRegressionOptions;
  Schema<O> s("Regression of the teacher's tokens, the objective of I-JEPA, V-JEPA and A-JEPA");
  s.option(
      "loss", &O::loss, {{"smooth_l1", Loss::smooth_l1}, {"l1", Loss::l1}, {"l2", Loss::l2}, {"cosine", Loss::cosine}},
      "what a difference costs: smooth L1 as in I-JEPA, L1 as in V-JEPA, its square as in A-JEPA; cosine: 2 - 2 cos "
      "of each token as in M2D");
  s.option("source", &O::source,
           {{"teacher", Source::teacher}, {"student_detached", Source::student_detached}, {"student", Source::student}},
           "who makes the targets; \"student\" lets the gradient through and collapses without a term against it");
  s.option(
      "asked_only", &O::asked_only,
      "the source of the targets sees only the tokens that a query asks about, as M2D's teacher; else whole views");
  s.option("beta", &O::beta, "difference at which smooth L1 turns linear").range(1e-6, 1e6);
  s.option("target_norm", &O::target_norm, {{"layer", TargetNorm::layer}, {"none", TargetNorm::none}},
           "layer norm of the targets over features, without scale and shift");
  s.option("centre_position", &O::centre_position,
           "subtract the batch's mean at each position, so that position alone predicts nothing");
  s.option("centre_sample", &O::centre_sample,
           "subtract the mean over each sample's tokens, so that overall colour or level predicts nothing");
  s.option("scale_channels", &O::scale_channels, "divide each channel by its deviation over batch and tokens");
  s.option("target_blocks", &O::target_blocks, "targets are the mean of this many last blocks; 0: the encoder's output")
      .range(0, 256);
  s.option("block_norm", &O::block_norm,
           {{"none", BlockNorm::none}, {"layer", BlockNorm::layer}, {"instance", BlockNorm::instance}},
           "norm of each of target_blocks before their mean: over its features, or of each channel over the sample's "
           "tokens as in data2vec 2.0");
  s.option("levels", &O::levels,
           "blocks, from 0, whose layer-normed outputs are predicted side by side, as in V-JEPA 2.1; empty: the output")
      .range(0, 255);
  s.option("seen_from_group", &O::seen_from_group,
           "questions of this group and later ones are about seen tokens (V-JEPA 2.1's dense loss); 0: none is")
      .range(0, 1024);
  s.option("seen_weight", &O::seen_weight, "weight of the questions about seen tokens").range(0, 1e6);
  s.option("seen_ramp", &O::seen_ramp, "steps between which seen_weight rises from 0; [0, 0]: there from the start")
      .at_least(0);
  s.option("variance", &O::variance, "weight of V-JEPA's variance term, which keeps predictions from collapsing")
      .range(0, 1e6);
  return s;
}

LatentRegression::LatentRegression(const LatentRegressionOptions& options, const ObjectiveSetting& setting)
    : options_(options), setting_(setting) {
  if (options.target_blocks > setting.encoder_depth)
    throw ConfigError("target_blocks",
                      "the mean of the last " + std::to_string(options.target_blocks) + " blocks of an encoder of " +
                          std::to_string(setting.encoder_depth),
                      "ask for at most as many blocks as the encoder has");
  if (!options.levels.empty() && options.target_blocks > 0)
    throw ConfigError("levels", "cannot go with target_blocks: outputs are predicted side by side, or their mean is",
                      "set one of them");
  if (!std::is_sorted(options.levels.begin(), options.levels.end(), std::less_equal<>()) ||
      (!options.levels.empty() && options.levels.back() >= setting.encoder_depth))
    throw ConfigError("levels",
                      "must ascend and lie below the encoder's depth of " + std::to_string(setting.encoder_depth),
                      "number the blocks from 0");
  if (options.asked_only && options.centre_position)
    throw ConfigError("centre_position", "needs targets of whole views, and with asked_only there are none",
                      "set one of them to false");
  if (options.seen_ramp[0] > options.seen_ramp[1])
    throw ConfigError("seen_ramp", "the first number is the lower one", "swap the two numbers");
}

TargetSpec LatentRegression::target() const {
  TargetSpec spec;
  spec.source = options_.source;
  spec.asked_only = options_.asked_only;
  for (std::int64_t back = options_.target_blocks; back > 0; --back) spec.taps.push_back(setting_.encoder_depth - back);
  if (!options_.levels.empty()) {
    spec.taps = options_.levels;
    spec.width = static_cast<std::int64_t>(options_.levels.size()) * setting_.prediction_width;
  }
  return spec;
}

at::Tensor LatentRegression::refine(const at::Tensor& target) {
  at::Tensor h = target.to(at::kFloat);
  if (options_.target_blocks > 0 && h.size(-1) == options_.target_blocks * setting_.prediction_width)
    h = mean_of_blocks(h.unflatten(-1, {options_.target_blocks, setting_.prediction_width}));
  // Each level on its own.
  if (!options_.levels.empty()) h = h.unflatten(-1, {-1, setting_.prediction_width});
  if (options_.target_norm == TargetNorm::layer) h = at::layer_norm(h, {h.size(-1)}, {}, {}, kNormEpsilon);
  if (!options_.levels.empty()) h = h.flatten(-2);
  if (options_.centre_position) h = h - h.mean(0, /*keepdim=*/true);
  if (options_.centre_sample) h = h - h.mean(1, /*keepdim=*/true);
  if (options_.scale_channels) h = h / (h.std(at::IntArrayRef{0, 1}, /*unbiased=*/false) + 1e-3);
  return h;
}

at::Tensor LatentRegression::mean_of_blocks(const at::Tensor& blocks) const {
  at::Tensor h = blocks;  // [B,N,K,D]
  if (options_.block_norm == BlockNorm::layer) h = at::layer_norm(h, {h.size(-1)}, {}, {}, kNormEpsilon);
  if (options_.block_norm == BlockNorm::instance)
    h = (h - h.mean(1, /*keepdim=*/true)) / (h.var(1, /*unbiased=*/false, /*keepdim=*/true) + kNormEpsilon).sqrt();
  return h.mean(-2);
}

at::Tensor LatentRegression::cost(const at::Tensor& prediction, const at::Tensor& target) const {
  switch (options_.loss) {
    case Loss::l1:
      return at::l1_loss(prediction, target);
    case Loss::l2:
      return at::mse_loss(prediction, target);
    case Loss::cosine:
      return 2 - 2 * at::cosine_similarity(prediction, target, -1).mean();
    default:
      return at::smooth_l1_loss(prediction, target, at::Reduction::Mean, options_.beta);
  }
}

bool LatentRegression::is_about_seen(const Pair& pair) const {
  return options_.seen_from_group > 0 && pair.query != nullptr && pair.query->group >= options_.seen_from_group;
}

double LatentRegression::seen_weight(const Progress& progress) const {
  const auto [first, last] = options_.seen_ramp;
  if (progress.step >= last) return options_.seen_weight;
  if (progress.step <= first) return 0;
  return options_.seen_weight * static_cast<double>(progress.step - first) / static_cast<double>(last - first);
}

bool LatentRegression::is_steady(const Progress& progress) const { return progress.step >= options_.seen_ramp[1]; }

LossReport LatentRegression::evaluate(const StepView& step) {
  if (step.pairs.empty())
    throw Error("no query was answered", "objective jepa.latent_regression", "use a masker that asks about tokens");
  at::Tensor sum, seen_sum;
  int hidden = 0, seen = 0;
  for (const Pair& pair : step.pairs) {
    if (pair.prediction.sizes() != pair.target.sizes())
      throw Error("a prediction has another shape than its target", "objective jepa.latent_regression",
                  "use a predictor of tokens, such as transformer.narrow");
    const at::Tensor loss = cost(pair.prediction.to(at::kFloat), pair.target.to(at::kFloat));
    at::Tensor& part = is_about_seen(pair) ? (++seen, seen_sum) : (++hidden, sum);
    part = part.defined() ? part + loss : loss;
  }
  if (hidden == 0)
    throw Error("all questions are about seen tokens", "objective jepa.latent_regression", "use another masker");
  LossReport report;
  report.total = sum / static_cast<double>(hidden);
  report.terms.emplace_back("regression", report.total.detach());
  if (seen > 0) {
    seen_sum = seen_sum / static_cast<double>(seen);
    report.terms.emplace_back("regression_seen", seen_sum.detach());
    report.total = report.total + seen_weight(step.progress) * seen_sum;
  }
  if (options_.variance > 0.0) {
    const at::Tensor shortfall = variance_shortfall(step.pairs);
    report.terms.emplace_back("variance_shortfall", shortfall.detach());
    report.total = report.total + options_.variance * shortfall;
  }
  // One query shows the state of the run as well as all of them, and costs less.
  const at::Tensor prediction = step.pairs.front().prediction.detach().to(at::kFloat);
  const at::Tensor target = step.pairs.front().target.detach().to(at::kFloat);
  report.terms.emplace_back("prediction_std", deviation(prediction));
  report.terms.emplace_back("target_std", deviation(target));
  report.terms.emplace_back("target_cosine", at::cosine_similarity(prediction, target, -1).mean());
  return report;
}

}  // namespace cairn::jepa

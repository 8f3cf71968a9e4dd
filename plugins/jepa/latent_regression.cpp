#include "latent_regression.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "cairn/error.h"

namespace cairn::jepa {

namespace {

constexpr double kNormEpsilon = 1e-5;  // of PyTorch's layer_norm, which the originals call with its default

void add(at::Tensor& sum, const at::Tensor& value) { sum = sum.defined() ? sum + value : value; }

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

/// Where tokens stand on their grid, float [B,K,A].
at::Tensor places(const TokenGrid& grid, const at::Tensor& index) {
  std::vector<at::Tensor> axes;
  at::Tensor rest = index;
  for (auto extent = grid.extent.rbegin(); extent != grid.extent.rend(); ++extent) {
    axes.insert(axes.begin(), rest.remainder(*extent));
    rest = rest.floor_divide(*extent);
  }
  return at::stack(axes, -1).to(at::kFloat);
}

/// Euclidean distance, in tokens, of each token of `from` [B,K] to the nearest one of `to` [B,Q], [B,K].
at::Tensor nearest(const TokenGrid& grid, const at::Tensor& from, const at::Tensor& to) {
  return at::cdist(places(grid, from), places(grid, to)).amin(-1);
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
  s.option("norm_parts", &O::norm_parts,
           "the target's features are so many parts side by side, each with a norm of its own, as the levels of an "
           "encoder with fuse = true are in V-JEPA 2.1")
      .range(1, 256);
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
  s.option("seen_weight", &O::seen_weight,
           "weight of seen tokens where a masker asks about them too (V-JEPA 2.1's dense loss)")
      .range(0, 1e6);
  s.option("seen_ramp", &O::seen_ramp, "steps between which seen_weight rises from 0; [0, 0]: there from the start")
      .at_least(0);
  s.option("seen_distance", &O::seen_distance,
           "seen tokens weigh 1 / sqrt(d), d the distance to the nearest hidden token over this many tokens: 1 in "
           "V-JEPA 2.1, more on finer grids than its 16 x 16; 0: all weigh the same")
      .range(0, 1024);
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
  if (setting.prediction_width % options.norm_parts != 0)
    throw ConfigError("norm_parts",
                      "does not divide the " + std::to_string(setting.prediction_width) + " features of the encoder",
                      "give the number of the encoder's levels");
  if (!options.levels.empty() && options.norm_parts > 1)
    throw ConfigError("norm_parts", "cannot go with levels, each of which has a norm of its own anyway",
                      "leave levels out where the encoder fuses its own");
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
  const auto parts = options_.levels.empty() ? options_.norm_parts : static_cast<std::int64_t>(options_.levels.size());
  if (options_.target_norm == TargetNorm::layer)
    h = at::layer_norm(h.unflatten(-1, {parts, -1}), {h.size(-1) / parts}, {}, {}, kNormEpsilon).flatten(-2);
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

at::Tensor LatentRegression::cost(const at::Tensor& prediction, const at::Tensor& target, Of of) const {
  if (options_.loss == Loss::cosine) {
    const at::Tensor each = 2 - 2 * at::cosine_similarity(prediction, target, -1);
    return of == Of::each ? each : each.mean();
  }
  const auto reduction = of == Of::each ? at::Reduction::None : at::Reduction::Mean;
  const at::Tensor loss = options_.loss == Loss::l1 ? at::l1_loss(prediction, target, reduction)
                          : options_.loss == Loss::l2
                              ? at::mse_loss(prediction, target, reduction)
                              : at::smooth_l1_loss(prediction, target, reduction, options_.beta);
  return of == Of::each ? loss.mean(-1) : loss;
}

at::Tensor LatentRegression::seen_cost(const at::Tensor& prediction, const at::Tensor& target, const Pair& pair) const {
  if (options_.seen_distance == 0.0) return cost(prediction, target, Of::all);
  const at::Tensor& where = pair.query->where.index;
  const std::int64_t seen = prediction.size(1), hidden = where.size(1) - seen;
  const at::Tensor distance =
      nearest(pair.grid, where.narrow(1, hidden, seen), where.narrow(1, 0, hidden)) / options_.seen_distance;
  return (cost(prediction, target, Of::each) * distance.rsqrt()).mean();
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
  int dense = 0;
  for (const Pair& pair : step.pairs) {
    if (pair.prediction.sizes() != pair.target.sizes())
      throw Error("a prediction has another shape than its target", "objective jepa.latent_regression",
                  "use a predictor of tokens, such as transformer.narrow");
    const at::Tensor prediction = pair.prediction.to(at::kFloat), target = pair.target.to(at::kFloat);
    if (pair.query == nullptr || !pair.query->seen_too) {
      add(sum, cost(prediction, target, Of::all));
      continue;
    }
    const std::int64_t seen = step.plan->contexts[static_cast<std::size_t>(pair.query->context)].visible.index.size(1),
                       hidden = prediction.size(1) - seen;
    add(sum, cost(prediction.narrow(1, 0, hidden), target.narrow(1, 0, hidden), Of::all));
    add(seen_sum, seen_cost(prediction.narrow(1, hidden, seen), target.narrow(1, hidden, seen), pair));
    ++dense;
  }
  LossReport report;
  report.total = sum / static_cast<double>(step.pairs.size());
  report.terms.emplace_back("regression", report.total.detach());
  if (dense > 0) {
    seen_sum = seen_sum / static_cast<double>(dense);
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

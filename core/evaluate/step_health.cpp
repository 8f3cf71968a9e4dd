#include "evaluate/step_health.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "evaluate/health.h"

namespace cairn {
namespace {

// Enough rows to see an effective rank of a few dozen.
constexpr std::int64_t kFeatureRows = 256;
constexpr std::int64_t kAnswerRows = 512;
constexpr std::int64_t kTargetSamples = 64;

/// At most `most` rows, evenly spaced, as float on the CPU; undefined where there are fewer than two or not all finite.
at::Tensor some_rows(const at::Tensor& x, std::int64_t most) {
  if (!x.defined() || x.dim() < 2 || x.size(0) < 2) return {};
  const std::int64_t stride = (x.size(0) + most - 1) / most;
  const at::Tensor rows = x.slice(0, 0, x.size(0), stride).to(at::kCPU, at::kFloat);
  return at::isfinite(rows).all().item<bool>() ? rows : at::Tensor();
}

}  // namespace

HealthFigures StepHealth::observe(const StepRecord& record) {
  const at::NoGradGuard no_grad;
  HealthFigures figures;
  features(record, figures);
  predictions(record, figures);
  targets(record, figures);
  for (const auto& [part, norm] : record.part_gradient_norms) figures.emplace_back("gradient_norm/" + part, norm);
  if (record.teacher_distance > 0.0) figures.emplace_back("teacher_distance", record.teacher_distance);
  return figures;
}

NamedTensors StepHealth::state() const {
  NamedTensors state;
  for (std::size_t i = 0; i < recent_.size(); ++i) state[fmt::format("features.{:03}", i)] = recent_[i];
  return state;
}

void StepHealth::restore(const NamedTensors& state) {
  recent_.clear();
  for (const auto& item : state) recent_.push_back(item.second);
}

void StepHealth::features(const StepRecord& record, HealthFigures& figures) {
  if (!record.features.defined()) return;
  std::deque<at::Tensor> recent = recent_;
  recent.push_back(record.features.to(at::kCPU, at::kFloat));
  std::int64_t rows = 0;
  for (const at::Tensor& part : recent) rows += part.size(0);
  for (; rows - recent.front().size(0) >= kFeatureRows; recent.pop_front()) rows -= recent.front().size(0);
  const at::Tensor x = at::cat(std::vector<at::Tensor>(recent.begin(), recent.end()));
  if (record.is_due) recent_ = std::move(recent);  // a run that goes on must not know where it stopped
  if (x.size(0) < 2 || !at::isfinite(x).all().item<bool>()) return;
  figures.emplace_back("feature_std", feature_std(x));
  figures.emplace_back("effective_rank", effective_rank(x));
  figures.emplace_back("rankme", rankme(x));
}

void StepHealth::predictions(const StepRecord& record, HealthFigures& figures) {
  const at::Tensor answers = some_rows(record.predictions, kAnswerRows), asked = some_rows(record.asked, kAnswerRows);
  if (answers.defined()) figures.emplace_back("predictor_rank", effective_rank(answers));
  if (asked.defined()) {
    const double variance = target_variance(asked), square = asked.to(at::kDouble).square().mean().item<double>();
    figures.emplace_back("target_variance", variance);
    figures.emplace_back("target_spread", square > 0.0 ? variance / square : 0.0);
  }
  if (answers.defined() && asked.defined() && answers.size(1) == asked.size(1))
    figures.emplace_back("prediction_cosine", prediction_cosine(answers, asked));
}

void StepHealth::targets(const StepRecord& record, HealthFigures& figures) {
  if (!record.targets.defined() || record.targets.dim() != 3) return;
  const at::Tensor tokens = some_rows(record.targets, kTargetSamples);
  if (!tokens.defined()) return;
  const ShortcutShare share = shortcut_share(tokens);
  figures.emplace_back("shortcut_share", share.both);
  figures.emplace_back("shortcut_position", share.position);
  figures.emplace_back("shortcut_sample", share.sample);
}

}  // namespace cairn

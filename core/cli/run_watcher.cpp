#include "cli/run_watcher.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <fstream>

#include "evaluate/health.h"

namespace cairn {
namespace {

// Enough rows to see an effective rank of a few dozen.
constexpr std::int64_t kHealthRows = 256;

std::optional<std::int64_t> resumed_at(std::int64_t first_step) {
  return first_step > 0 ? std::optional(first_step) : std::nullopt;
}

std::int64_t rows(const std::deque<at::Tensor>& parts) {
  std::int64_t count = 0;
  for (const at::Tensor& part : parts) count += part.size(0);
  return count;
}

}  // namespace

Embed probed_embedding(const Composition& parts) {
  const std::shared_ptr<Branch> branch = parts.teacher ? parts.teacher : parts.student;
  return [branch](const View& view) {
    const bool was_training = branch->is_training();
    branch->eval();
    at::Tensor features = branch->embed(view);
    branch->train(was_training);
    return features;
  };
}

RunWatcher::RunWatcher(const Experiment& experiment, const Composition& parts, const std::filesystem::path& run,
                       std::int64_t first_step, std::int64_t last_step, at::Device device, Terminal& terminal,
                       TextLog& log)
    : parts_(parts),
      run_(run),
      device_(device),
      log_(log),
      bar_(terminal, first_step, last_step, experiment.train.batch_size),
      metrics_(run / "metrics.jsonl", resumed_at(first_step)),
      probes_(*parts.modality, experiment.evaluate, experiment.seed, experiment.train.workers) {
  if (experiment.log.tensorboard) events_.emplace(run / "tensorboard", resumed_at(first_step));
}

void RunWatcher::stepped(std::int64_t step, double loader_wait) {
  waited_ += loader_wait;
  bar_.step(step, waited_);
}

void RunWatcher::logged(const StepRecord& record) {
  bar_.loss(record.loss);
  Metrics metrics = {{"loss", record.loss},
                     {"lr", record.rates.lr},
                     {"weight_decay", record.rates.weight_decay},
                     {"ema_momentum", record.rates.momentum},
                     {"gradient_norm", record.gradient_norm},
                     {"epoch", static_cast<double>(record.epoch)}};
  for (const auto& [name, value] : record.terms)
    if (name != "loss") metrics.emplace_back(name, value);
  for (auto& entry : health(record)) metrics.push_back(std::move(entry));
  if (const auto rate = bar_.throughput().samples_per_second()) metrics.emplace_back("samples_per_second", *rate);
  metrics.emplace_back("loader_wait_share", bar_.throughput().wait_share());
  write(record.step, metrics);
}

Metrics RunWatcher::health(const StepRecord& record) {
  const at::NoGradGuard no_grad;
  Metrics metrics;
  if (record.features.defined()) {
    recent_features_.push_back(record.features.to(at::kFloat).cpu());
    while (rows(recent_features_) - recent_features_.front().size(0) >= kHealthRows) recent_features_.pop_front();
    const at::Tensor features = at::cat(std::vector<at::Tensor>(recent_features_.begin(), recent_features_.end()));
    if (features.size(0) > 1 && at::isfinite(features).all().item<bool>()) {
      metrics.emplace_back("feature_std", feature_std(features));
      metrics.emplace_back("effective_rank", effective_rank(features));
    }
  }
  const bool has_targets = record.targets.defined() && record.targets.size(0) > 1;
  if (has_targets && at::isfinite(record.targets).all().item<bool>()) {
    const ShortcutShare share = shortcut_share(record.targets.to(at::kFloat).cpu());
    metrics.emplace_back("shortcut_share", share.both);
    metrics.emplace_back("shortcut_position", share.position);
    metrics.emplace_back("shortcut_sample", share.sample);
  }
  return metrics;
}

void RunWatcher::unreadable(const BadSample& sample) {
  log_.warn(fmt::format("unreadable, left out: {}: {}", sample.name, sample.reason));
  std::ofstream(run_ / "quarantine.txt", std::ios::app) << sample.name << '\t' << sample.reason << '\n';
}

std::optional<double> RunWatcher::evaluate(std::int64_t step) {
  bar_.pause("probing");
  const auto result = probes_.probe(probed_embedding(parts_), /*is_final=*/false, device_);
  bar_.resume();
  if (!result) {
    log_.note("no probe: " + probes_.reason());
    return std::nullopt;
  }
  bar_.probe(fmt::format("linear {:.1f} %", 100 * result->linear));
  log_.note(
      fmt::format("step {}: linear {:.4f}, kNN {:.4f}, feature std {:.3f}, effective rank {:.1f} ({} test samples)",
                  step, result->linear, result->knn, result->feature_std, result->effective_rank, result->test));
  write(step, {{"probe/linear", result->linear},
               {"probe/knn", result->knn},
               {"probe/feature_std", result->feature_std},
               {"probe/effective_rank", result->effective_rank},
               {"probe/rankme", result->rankme}});
  return result->linear;
}

void RunWatcher::saved(std::int64_t step, const std::filesystem::path& checkpoint) {
  log_.note(fmt::format("step {}: checkpoint {}", step, checkpoint.string()));
}

void RunWatcher::write(std::int64_t step, const Metrics& metrics) {
  metrics_.write(step, metrics);
  if (events_) events_->write(step, metrics);
}

}  // namespace cairn

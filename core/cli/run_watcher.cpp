#include "cli/run_watcher.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "data/training_part.h"
#include "evaluate/embedding.h"
#include "model/evaluation_mode.h"

namespace cairn {
namespace {

std::optional<std::int64_t> resumed_at(std::int64_t first_step) {
  return first_step > 0 ? std::optional(first_step) : std::nullopt;
}

/// Whether this is what logged() wrote: records of probes and of the loss guard stand between.
bool is_of_training(const Metrics& metrics) {
  return std::any_of(metrics.begin(), metrics.end(), [](const auto& entry) { return entry.first == "loss"; });
}

}  // namespace

Embed probed_embedding(const Composition& parts, const EvaluateSettings& settings) {
  const std::shared_ptr<Branch> branch = parts.teacher ? parts.teacher : parts.student;
  return [branch, embed = branch_embedding(*branch, settings.segments)](const View& view) {
    const EvaluationMode mode(*branch);
    return embed(view);
  };
}

RunWatcher::RunWatcher(const Experiment& experiment, const Composition& parts, const std::filesystem::path& run,
                       std::int64_t first_step, std::int64_t last_step, at::Device device, Terminal& terminal,
                       TextLog& log)
    : embed_(probed_embedding(parts, experiment.evaluate)),
      run_(run),
      device_(device),
      log_(log),
      bar_(terminal, first_step, last_step, experiment.train.batch_size),
      metrics_(run / "metrics.jsonl", resumed_at(first_step)),
      probes_(*parts.modality, experiment.evaluate, experiment.seed, experiment.train.workers,
              max_bad_share(experiment)),
      alarms_(parts.teacher != nullptr),
      step_(first_step) {
  // What was logged before a resume counts, and what was told then is not told again.
  for (const MetricsRecord& record : read_metrics(run / "metrics.jsonl")) {
    if (is_of_training(record.metrics))
      for (Alarm& alarm : alarms_.observe(record.step, record.metrics)) raised_.push_back(std::move(alarm));
    OnlineProbe probe{record.step, -1.0, -1.0};
    for (const auto& [name, value] : record.metrics) {
      if (name == "seconds") seconds_before_ = value;
      if (name == "probe/linear") probe.linear = value;
      if (name == "probe/knn") probe.knn = value;
      if (name == "probe/test") probe.test = std::llround(value);
    }
    if (probe.linear >= 0.0) online_.push_back(probe);
  }
  if (experiment.log.tensorboard) events_.emplace(run / "tensorboard", resumed_at(first_step));
}

void RunWatcher::stepped(std::int64_t step, double loader_wait) {
  step_ = step;
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
  for (auto& entry : health_.observe(record)) metrics.push_back(std::move(entry));
  if (const auto rate = bar_.throughput().samples_per_second()) metrics.emplace_back("samples_per_second", *rate);
  metrics.emplace_back("seconds", seconds());
  metrics.emplace_back("loader_wait_share", bar_.throughput().wait_share());
  watch(record.step, metrics);
  write(record.step, metrics);
}

double RunWatcher::seconds() const {
  return seconds_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void RunWatcher::watch(std::int64_t step, Metrics& metrics) {
  for (Alarm& alarm : alarms_.observe(step, metrics)) {
    metrics.emplace_back("alarm/" + alarm.kind, 1.0);
    log_.warn(fmt::format("step {}: {}", step, alarm.text));
    raised_.push_back(std::move(alarm));
  }
}

void RunWatcher::guarded(std::int64_t step, const std::string& what) {
  log_.warn(what);
  write(step, {{"guard", 1.0}});
}

void RunWatcher::unreadable(const BadSample& sample) {
  if (!unreadable_.insert(sample.name).second) return;
  log_.warn(fmt::format("unreadable, left out: {}: {}", sample.name, sample.reason));
  std::ofstream(run_ / "quarantine.txt", std::ios::app) << sample.name << '\t' << sample.reason << '\n';
}

void RunWatcher::tell_unprobed() {
  for (const BadSample& sample : probes_.unreadable()) unreadable(sample);
}

std::optional<double> RunWatcher::evaluate(std::int64_t step) {
  bar_.pause("probing");
  const auto result = probes_.probe(embed_, /*is_final=*/false, device_);
  bar_.resume();
  tell_unprobed();
  if (!result) {
    log_.note("no probe: " + probes_.reason());
    return std::nullopt;
  }
  bar_.probe(fmt::format("linear {:.1f} %", 100 * result->linear));
  log_.note(
      fmt::format("step {}: linear {:.4f}, kNN {:.4f}, feature std {:.3f}, effective rank {:.1f} ({} test samples)",
                  step, result->linear, result->knn, result->feature_std, result->effective_rank, result->test));
  Metrics metrics = {{"seconds", seconds()},
                     {"probe/linear", result->linear},
                     {"probe/knn", result->knn},
                     {"probe/test", static_cast<double>(result->test)},
                     {"probe/feature_std", result->feature_std},
                     {"probe/effective_rank", result->effective_rank},
                     {"probe/rankme", result->rankme},
                     {"probe/alpha_req", result->alpha_req}};
  if (std::isfinite(result->lidar)) metrics.emplace_back("probe/lidar", result->lidar);
  write(step, metrics);
  online_.push_back({step, result->linear, result->knn, result->test});
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

#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/experiment.h"
#include "evaluate/alarms.h"
#include "evaluate/probe.h"
#include "evaluate/step_health.h"
#include "model/composition.h"
#include "report/metrics_log.h"
#include "report/progress_bar.h"
#include "report/summary.h"
#include "report/tensorboard.h"
#include "report/text_log.h"
#include "train/trainer.h"

namespace cairn {

/// Puts what happens in a run where people look: progress bar, log.txt, metrics.jsonl, TensorBoard; and probes online.
class RunWatcher : public Watcher {
 public:
  RunWatcher(const Experiment& experiment, const Composition& parts, const std::filesystem::path& run,
             std::int64_t first_step, std::int64_t last_step, at::Device device, Terminal& terminal, TextLog& log);

  void stepped(std::int64_t step, double loader_wait) override;
  void logged(const StepRecord& record) override;
  void guarded(std::int64_t step, const std::string& what) override;
  void unreadable(const BadSample& sample) override;
  std::optional<double> evaluate(std::int64_t step) override;
  void saved(std::int64_t step, const std::filesystem::path& checkpoint) override;
  NamedTensors state() const override { return health_.state(); }
  void restore(const NamedTensors& state) override { health_.restore(state); }

  ProbeData& probes() { return probes_; }
  /// Tells which samples the last probe could not read.
  void tell_unprobed();
  /// Samples that could not be read, in training and probes, since this process began.
  std::int64_t unreadable_samples() const { return static_cast<std::int64_t>(unreadable_.size()); }
  ProgressBar& bar() { return bar_; }
  /// Optimizer steps done in all.
  std::int64_t step() const { return step_; }
  const std::vector<Alarm>& raised() const { return raised_; }
  /// Every probe while training, of the processes before a resume too.
  const std::vector<OnlineProbe>& online() const { return online_; }
  /// Wall time of the run so far, resumes included.
  double seconds() const;

 private:
  void write(std::int64_t step, const Metrics& metrics);
  /// Tells of what the figures of a step raise: in the terminal, log.txt and run.json.
  void watch(std::int64_t step, Metrics& metrics);

  Embed embed_;
  std::filesystem::path run_;
  at::Device device_;
  TextLog& log_;
  ProgressBar bar_;
  MetricsLog metrics_;
  std::optional<TensorBoardLog> events_;
  ProbeData probes_;
  std::set<std::string> unreadable_;  // by name
  StepHealth health_;
  Alarms alarms_;
  std::vector<Alarm> raised_;
  std::int64_t step_ = 0;
  double waited_ = 0.0;
  double seconds_before_ = 0.0;  // of the processes that trained before a resume
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::vector<OnlineProbe> online_;
};

/// The embedding that probes are about: the teacher's encoder where there is one, else the student's.
Embed probed_embedding(const Composition& parts, const EvaluateSettings& settings);

}  // namespace cairn

#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "config/experiment.h"
#include "evaluate/probe.h"
#include "model/composition.h"
#include "report/metrics_log.h"
#include "report/progress_bar.h"
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
  void unreadable(const BadSample& sample) override;
  std::optional<double> evaluate(std::int64_t step) override;
  void saved(std::int64_t step, const std::filesystem::path& checkpoint) override;

  ProbeData& probes() { return probes_; }
  ProgressBar& bar() { return bar_; }

 private:
  void write(std::int64_t step, const Metrics& metrics);
  Metrics health(const StepRecord& record);

  const Composition& parts_;
  std::filesystem::path run_;
  at::Device device_;
  TextLog& log_;
  ProgressBar bar_;
  MetricsLog metrics_;
  std::optional<TensorBoardLog> events_;
  ProbeData probes_;
  std::deque<at::Tensor> recent_features_;  // [B,D] of the last logged steps
  double waited_ = 0.0;
};

/// The embedding that probes are about: the teacher's encoder where there is one, else the student's.
Embed probed_embedding(const Composition& parts);

}  // namespace cairn

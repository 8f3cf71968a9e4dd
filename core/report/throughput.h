#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "cairn/export.h"

namespace cairn {

/// How fast a run goes, from the steps this process has seen; steps before a resume do not count. Times are seconds of
/// one clock. The first steps, slower than the rest, are left out.
class CAIRN_API Throughput {
 public:
  static constexpr std::int64_t kWarmupSteps = 3;
  static constexpr double kWindowSeconds = 20.0;

  Throughput(std::int64_t first_step, std::int64_t batch_size);

  /// Step `step` ended at `now`; the loop has waited `waited` seconds for the loader so far.
  void step(std::int64_t step, double now, double waited);
  /// Training stands still from here (a probe, a checkpoint) …
  void pause(double now);
  /// … until here.
  void resume(double now);

  /// Over the recent window; nothing before the warm-up has passed.
  std::optional<double> samples_per_second() const;
  /// Over everything since the warm-up, pauses left out; the number for reports.
  std::optional<double> average_samples_per_second() const;
  /// Share of the recent training time spent waiting for data.
  double wait_share() const;
  /// The same over everything since the warm-up.
  double average_wait_share() const;
  /// Seconds until `last_step` at the recent pace, with as large a share of pauses as was seen so far.
  std::optional<double> seconds_left(std::int64_t last_step) const;

 private:
  struct Mark {
    std::int64_t step;
    double time;  // without pauses
    double waited;
  };

  std::int64_t first_step_;
  std::int64_t batch_size_;
  std::optional<Mark> start_, latest_;
  std::deque<Mark> recent_;
  double paused_ = 0.0;
  double paused_before_ = 0.0;  // of it, before the warm-up had passed
  double paused_at_ = -1.0;
};

}  // namespace cairn

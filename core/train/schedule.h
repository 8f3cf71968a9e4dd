#pragma once

#include <cstdint>

#include "cairn/export.h"
#include "config/settings.h"

namespace cairn {

/// The values of one optimizer step.
struct StepRates {
  double lr = 0.0;
  double weight_decay = 0.0;
  double momentum = 1.0;  // the share the teacher keeps
  double full_lr = 0.0;   // before warm-up and decay
};

/// Learning rate, weight decay and EMA momentum over a horizon of total_steps * stretch (I-JEPA's ipe_scale).
/// LR: linear warm-up, then cosine or constant with a linear cooldown; steps count from 1. Weight decay: cosine to
/// weight_decay_end. Momentum: linear (I-JEPA) or cosine (BYOL) between its two values, first step at the first.
/// (I-JEPA, src/utils/schedulers.)
class CAIRN_API Schedule {
 public:
  Schedule(const OptimSettings& optim, const EmaSettings& ema, const ScheduleSettings& schedule,
           const TrainSettings& train);

  /// `step` counts from 0.
  StepRates at(std::int64_t step) const;
  std::int64_t total_steps() const { return total_; }

 private:
  double lr_factor(double step) const;

  OptimSettings optim_;
  double full_lr_;
  EmaSettings ema_;
  ScheduleSettings schedule_;
  std::int64_t total_;
  double horizon_;
  double warmup_;
};

}  // namespace cairn

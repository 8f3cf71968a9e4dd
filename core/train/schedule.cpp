#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cairn {
namespace {

/// From `start` at share 0 to `end` at share 1 along half a cosine.
double cosine(double start, double end, double share) {
  return end + (start - end) * 0.5 * (1.0 + std::cos(std::numbers::pi * std::clamp(share, 0.0, 1.0)));
}

/// The learning rate for this batch size: linear (Goyal et al. 2017) or with the root.
double scaled_lr(const OptimSettings& optim, std::int64_t batch_size) {
  const double ratio = static_cast<double>(batch_size) / static_cast<double>(optim.lr_base_batch);
  if (optim.lr_scaling == "linear") return optim.lr * ratio;
  return optim.lr_scaling == "sqrt" ? optim.lr * std::sqrt(ratio) : optim.lr;
}

}  // namespace

Schedule::Schedule(const OptimSettings& optim, const EmaSettings& ema, const ScheduleSettings& schedule,
                   const TrainSettings& train)
    : optim_(optim),
      full_lr_(scaled_lr(optim, train.batch_size)),
      ema_(ema),
      schedule_(schedule),
      total_(schedule.total_steps > 0 ? schedule.total_steps : train.steps),
      horizon_(std::max(1.0, std::floor(static_cast<double>(total_) * schedule.stretch))),
      warmup_(std::max(static_cast<double>(schedule.warmup_steps),
                       std::floor(static_cast<double>(total_) * schedule.warmup_share))) {}

double Schedule::lr_factor(double step) const {
  if (step < warmup_) return schedule_.start_factor + (1.0 - schedule_.start_factor) * step / warmup_;
  if (schedule_.type == "cosine")
    return cosine(1.0, schedule_.final_factor, (step - warmup_) / std::max(1.0, horizon_ - warmup_));
  const double cooldown = horizon_ * schedule_.cooldown_share;
  if (step <= horizon_ - cooldown) return 1.0;
  const double share = std::min(1.0, (step - (horizon_ - cooldown)) / std::max(1.0, cooldown));
  return 1.0 + share * (schedule_.final_factor - 1.0);
}

StepRates Schedule::at(std::int64_t step) const {
  const double counted = static_cast<double>(step + 1);
  StepRates rates;
  rates.full_lr = full_lr_;
  rates.lr = full_lr_ * lr_factor(counted);
  const double end = schedule_.weight_decay_end;
  rates.weight_decay = end < 0 ? optim_.weight_decay : cosine(optim_.weight_decay, end, counted / horizon_);
  const double share = std::min(1.0, static_cast<double>(step) / horizon_);
  rates.momentum = ema_.schedule == "cosine" ? cosine(ema_.momentum[0], ema_.momentum[1], share)
                                             : ema_.momentum[0] + share * (ema_.momentum[1] - ema_.momentum[0]);
  return rates;
}

}  // namespace cairn

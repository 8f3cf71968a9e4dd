#include "report/throughput.h"

#include <algorithm>

namespace cairn {
namespace {

constexpr double kMarkSeconds = 0.1;  // fast steps need not all be remembered

template <class Mark>
std::optional<double> steps_per_second(const Mark& from, const Mark& to) {
  if (to.step <= from.step || !(to.time > from.time)) return std::nullopt;
  return static_cast<double>(to.step - from.step) / (to.time - from.time);
}

template <class Mark>
double waited_share(const Mark& from, const Mark& to) {
  if (!(to.time > from.time)) return 0.0;
  return std::clamp((to.waited - from.waited) / (to.time - from.time), 0.0, 1.0);
}

}  // namespace

Throughput::Throughput(std::int64_t first_step, std::int64_t batch_size)
    : first_step_(first_step), batch_size_(batch_size) {}

void Throughput::step(std::int64_t step, double now, double waited) {
  if (step < first_step_ + kWarmupSteps) return;
  const Mark mark{step, now - paused_, waited};
  if (!start_) {
    start_ = mark;
    paused_before_ = paused_;
  }
  latest_ = mark;
  if (!recent_.empty() && mark.time - recent_.back().time < kMarkSeconds) return;
  recent_.push_back(mark);
  while (recent_.size() > 2 && mark.time - recent_[1].time >= kWindowSeconds) recent_.pop_front();
}

void Throughput::pause(double now) {
  if (paused_at_ < 0.0) paused_at_ = now;
}

void Throughput::resume(double now) {
  if (paused_at_ >= 0.0) paused_ += now - paused_at_;
  paused_at_ = -1.0;
}

std::optional<double> Throughput::samples_per_second() const {
  if (recent_.empty()) return std::nullopt;
  const auto pace = steps_per_second(recent_.front(), *latest_);
  return pace ? std::optional(*pace * static_cast<double>(batch_size_)) : std::nullopt;
}

std::optional<double> Throughput::average_samples_per_second() const {
  if (!start_) return std::nullopt;
  const auto pace = steps_per_second(*start_, *latest_);
  return pace ? std::optional(*pace * static_cast<double>(batch_size_)) : std::nullopt;
}

double Throughput::wait_share() const { return recent_.empty() ? 0.0 : waited_share(recent_.front(), *latest_); }

double Throughput::average_wait_share() const { return start_ ? waited_share(*start_, *latest_) : 0.0; }

std::optional<double> Throughput::seconds_left(std::int64_t last_step) const {
  if (recent_.empty()) return std::nullopt;
  const auto pace = steps_per_second(recent_.front(), *latest_);
  if (!pace) return std::nullopt;
  const double trained = latest_->time - start_->time;
  const double pauses = trained > 0.0 ? (paused_ - paused_before_) / trained : 0.0;
  return static_cast<double>(std::max<std::int64_t>(0, last_step - latest_->step)) / *pace * (1.0 + pauses);
}

}  // namespace cairn

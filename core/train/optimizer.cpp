#include "train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>

#include "kernels/adamw.h"

namespace cairn {
namespace {

constexpr double kNotFinite = std::numeric_limits<double>::quiet_NaN();

at::ScalarType moment_type(const OptimSettings& settings) {
  return settings.moments == "bfloat16" ? at::kBFloat16 : at::kFloat;
}

}  // namespace

Optimizer::Optimizer(FlatParameters& student, FlatParameters* teacher, const OptimSettings& settings)
    : student_(student),
      teacher_(teacher),
      settings_(settings),
      first_(at::zeros_like(student.values(), moment_type(settings))),
      second_(settings.type == "adamw" ? at::zeros_like(first_) : at::zeros({0}, first_.options())) {}

at::Tensor Optimizer::gradient_norm() {
  const at::NoGradGuard no_grad;
  for (const SegmentGroup& group : student_.groups())
    if (done_ < freeze_steps(group)) student_.gradients().narrow(0, group.begin, group.end - group.begin).zero_();
  return kernels::flat_norm(student_.gradients());
}

at::Tensor Optimizer::step(const StepRates& rates, const at::Tensor& gradient_norm) {
  const at::NoGradGuard no_grad;
  at::Tensor scale = at::ones_like(gradient_norm);
  if (settings_.clip > 0) scale = (settings_.clip / (gradient_norm + 1e-6)).clamp_max(1.0);
  if (settings_.type == "adamw") scale = at::where(gradient_norm.isfinite(), scale, at::full_like(scale, kNotFinite));
  if (settings_.type != "adamw" && settings_.clip > 0) student_.gradients().mul_(scale);
  for (const SegmentGroup& group : student_.groups()) {
    const bool moves = !group.frozen && done_ >= freeze_steps(group);
    double lr = rates.lr, decay = group.decay ? rates.weight_decay : 0.0;
    if (group.rule >= 0) {
      const OptimRule& rule = settings_.rule[static_cast<std::size_t>(group.rule)];
      lr = (rule.constant_lr ? rates.full_lr : rates.lr) * rule.lr_factor;
      decay *= rule.decay_factor;
    }
    if (moves && settings_.type == "adamw") {
      adamw(group, lr, decay, rates, scale);
      continue;
    }
    if (moves) sgd(group, lr, decay, gradient_norm.isfinite());
    if (moves) student_.cast_half(group.begin, group.end);
    student_.gradients().narrow(0, group.begin, group.end - group.begin).zero_();
    follow(group.begin, group.end, rates.momentum);
  }
  ++done_;
  return gradient_norm;
}

std::int64_t Optimizer::freeze_steps(const SegmentGroup& group) const {
  return group.rule < 0 ? 0 : settings_.rule[static_cast<std::size_t>(group.rule)].freeze_steps;
}

void Optimizer::adamw(const SegmentGroup& group, double lr, double decay, const StepRates& rates,
                      const at::Tensor& scale) {
  const bool is_followed = teacher_ && group.end <= student_.shared_size();
  kernels::AdamwState all = {student_.values(), student_.gradients(), first_, second_, {}, student_.half()};
  if (is_followed) {
    all.teacher = teacher_->values();
    all.teacher_half = teacher_->half();
  }
  const kernels::AdamwState part = all.narrow(group.begin, group.end);
  kernels::adamw(part, {lr, decay, settings_.betas, settings_.epsilon, done_ + 1 - freeze_steps(group), rates.momentum},
                 scale);
}

void Optimizer::sgd(const SegmentGroup& group, double lr, double decay, const at::Tensor& is_finite) {
  const auto part = [&](const at::Tensor& flat) { return flat.narrow(0, group.begin, group.end - group.begin); };
  at::Tensor values = part(student_.values()), update = part(student_.gradients()), momentum = part(first_);
  if (decay != 0.0) update.add_(values, decay);
  if (settings_.type == "lars" && group.decay) scale_by_trust(group, lr);
  // Chosen on the device: to ask here would stop its queue.
  momentum.copy_(at::where(is_finite, momentum * settings_.momentum + update, momentum));
  values.sub_(at::where(is_finite, momentum, 0.0), lr);
}

void Optimizer::scale_by_trust(const SegmentGroup& group, double lr) {
  for (const Segment& segment : student_.segments()) {
    if (segment.offset < group.begin || segment.offset >= group.end) continue;
    const at::Tensor update = student_.gradients().narrow(0, segment.offset, segment.size);
    const at::Tensor weight = student_.values().narrow(0, segment.offset, segment.size).norm(), length = update.norm();
    at::Tensor factor = settings_.trust * weight / length;
    if (settings_.clip_trust) factor = (factor / lr).clamp_max(1.0);
    update.mul_(at::where(weight.mul(length) > 0.0, factor, at::ones_like(factor)));
  }
}

void Optimizer::follow(std::int64_t begin, std::int64_t end, double momentum) {
  end = std::min(end, student_.shared_size());
  if (!teacher_ || begin >= end) return;
  teacher_->values().narrow(0, begin, end - begin).lerp_(student_.values().narrow(0, begin, end - begin), 1 - momentum);
  teacher_->cast_half(begin, end);
}

}  // namespace cairn

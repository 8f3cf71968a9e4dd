#include "train/optimizer.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace cairn {

Optimizer::Optimizer(FlatParameters& student, FlatParameters* teacher, const OptimSettings& settings)
    : student_(student),
      teacher_(teacher),
      settings_(settings),
      first_(at::zeros_like(student.values())),
      second_(settings.type == "adamw" ? at::zeros_like(student.values()) : at::zeros({0}, first_.options())) {
  const auto options = first_.options();
  for (std::size_t i = 0; i < student_.groups().size(); ++i) steps_.push_back(at::zeros({}, options));
}

at::Tensor Optimizer::gradient_norm() {
  const at::NoGradGuard no_grad;
  for (const SegmentGroup& group : student_.groups())
    if (done_ < freeze_steps(group)) student_.gradients().narrow(0, group.begin, group.end - group.begin).zero_();
  return student_.gradients().norm();
}

at::Tensor Optimizer::step(const StepRates& rates, const at::Tensor& gradient_norm) {
  const at::NoGradGuard no_grad;
  if (settings_.clip > 0) student_.gradients().mul_((settings_.clip / (gradient_norm + 1e-6)).clamp_max(1.0));
  for (std::size_t g = 0; g < student_.groups().size(); ++g) {
    const SegmentGroup& group = student_.groups()[g];
    if (group.frozen || done_ < freeze_steps(group)) continue;
    double lr = rates.lr, decay = group.decay ? rates.weight_decay : 0.0;
    if (group.rule >= 0) {
      const OptimRule& rule = settings_.rule[static_cast<std::size_t>(group.rule)];
      lr = (rule.constant_lr ? rates.full_lr : rates.lr) * rule.lr_factor;
      decay *= rule.decay_factor;
    }
    if (settings_.type == "adamw") {
      adamw(g, lr, decay);
    } else {
      sgd(group, lr, decay);
    }
  }
  ++done_;
  student_.gradients().zero_();
  if (teacher_) follow(rates.momentum);
  return gradient_norm;
}

std::int64_t Optimizer::freeze_steps(const SegmentGroup& group) const {
  return group.rule < 0 ? 0 : settings_.rule[static_cast<std::size_t>(group.rule)].freeze_steps;
}

void Optimizer::adamw(std::size_t group, double lr, double decay) {
  const SegmentGroup& range = student_.groups()[group];
  const auto part = [&](const at::Tensor& flat) { return flat.narrow(0, range.begin, range.end - range.begin); };
  std::vector<at::Tensor> values = {part(student_.values())}, gradients = {part(student_.gradients())};
  std::vector<at::Tensor> first = {part(first_)}, second = {part(second_)}, highest, steps = {steps_[group]};
  steps_[group].add_(1);
  at::_fused_adamw_(values, gradients, first, second, highest, steps, lr, settings_.betas[0], settings_.betas[1], decay,
                    settings_.epsilon, /*amsgrad=*/false, /*maximize=*/false);
}

void Optimizer::sgd(const SegmentGroup& group, double lr, double decay) {
  const auto part = [&](const at::Tensor& flat) { return flat.narrow(0, group.begin, group.end - group.begin); };
  at::Tensor values = part(student_.values()), update = part(student_.gradients()), momentum = part(first_);
  if (decay != 0.0) update.add_(values, decay);
  if (settings_.type == "lars" && group.decay) scale_by_trust(group, lr);
  momentum.mul_(settings_.momentum).add_(update);
  values.sub_(momentum, lr);
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

void Optimizer::follow(double momentum) {
  const std::int64_t size = student_.shared_size();
  teacher_->values().narrow(0, 0, size).lerp_(student_.values().narrow(0, 0, size), 1.0 - momentum);
}

void Optimizer::set_steps(std::int64_t steps) {
  done_ = steps;
  for (std::size_t g = 0; g < steps_.size(); ++g)
    steps_[g].fill_(static_cast<double>(std::max<std::int64_t>(0, steps - freeze_steps(student_.groups()[g]))));
}

}  // namespace cairn

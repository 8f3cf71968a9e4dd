#include "train/optimizer.h"

#include <ATen/ATen.h>

namespace cairn {

Optimizer::Optimizer(FlatParameters& student, FlatParameters* teacher, const OptimSettings& settings)
    : student_(student),
      teacher_(teacher),
      settings_(settings),
      first_(at::zeros_like(student.values())),
      second_(at::zeros_like(student.values())) {
  const auto options = first_.options();
  for (std::size_t i = 0; i < student_.groups().size(); ++i) steps_.push_back(at::zeros({}, options));
}

at::Tensor Optimizer::step(const StepRates& rates) {
  const at::NoGradGuard no_grad;
  const at::Tensor norm = clip();
  for (std::size_t g = 0; g < student_.groups().size(); ++g) {
    const SegmentGroup& group = student_.groups()[g];
    if (group.frozen) continue;
    const auto part = [&](const at::Tensor& flat) { return flat.narrow(0, group.begin, group.end - group.begin); };
    std::vector<at::Tensor> values = {part(student_.values())}, gradients = {part(student_.gradients())};
    std::vector<at::Tensor> first = {part(first_)}, second = {part(second_)}, highest, steps = {steps_[g]};
    steps_[g].add_(1);
    at::_fused_adamw_(values, gradients, first, second, highest, steps, rates.lr, settings_.betas[0],
                      settings_.betas[1], group.decay ? rates.weight_decay : 0.0, settings_.epsilon,
                      /*amsgrad=*/false, /*maximize=*/false);
  }
  student_.gradients().zero_();
  if (teacher_) follow(rates.momentum);
  return norm;
}

at::Tensor Optimizer::clip() {
  const at::Tensor norm = student_.gradients().norm();
  if (settings_.clip > 0) student_.gradients().mul_((settings_.clip / (norm + 1e-6)).clamp_max(1.0));
  return norm;
}

void Optimizer::follow(double momentum) {
  const std::int64_t size = student_.shared_size();
  teacher_->values().narrow(0, 0, size).lerp_(student_.values().narrow(0, 0, size), 1.0 - momentum);
}

void Optimizer::set_steps(std::int64_t steps) {
  for (at::Tensor& count : steps_) count.fill_(static_cast<double>(steps));
}

}  // namespace cairn

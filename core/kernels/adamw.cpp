#include "kernels/adamw.h"

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "kernels/adamw_range.h"
#include "kernels/split_work.h"

namespace cairn::kernels {
namespace {

constexpr std::int64_t kGrain = 1 << 14;  // values that are worth a thread

AdamwFactors factors_of(const AdamwRates& rates) {
  const auto step = static_cast<double>(rates.step);
  AdamwFactors f;
  f.keep = static_cast<float>(1 - rates.lr * rates.decay);
  f.first_weight = static_cast<float>(1 - rates.betas[0]);
  f.second_keep = static_cast<float>(rates.betas[1]);
  f.second_weight = static_cast<float>(1 - rates.betas[1]);
  f.root_scale = static_cast<float>(std::sqrt(1 - std::pow(rates.betas[1], step)));
  f.epsilon = static_cast<float>(rates.epsilon);
  f.step = static_cast<float>(rates.lr / (1 - std::pow(rates.betas[0], step)));
  f.follow = static_cast<float>(1 - rates.momentum);
  return f;
}

AdamwRange range_of(const AdamwState& state) {
  const auto data = [](const at::Tensor& x) { return x.defined() ? x.mutable_data_ptr<float>() : nullptr; };
  return {data(state.values), data(state.gradients), data(state.first),
          data(state.second), data(state.teacher),   state.values.numel()};
}

/// The same by PyTorch's kernels, one after the other and with nothing read back, for devices without one of ours.
void by_passes(const AdamwState& state, const AdamwRates& rates, const at::Tensor& scale) {
  std::vector<at::Tensor> values = {state.values}, gradients = {state.gradients}, first = {state.first};
  std::vector<at::Tensor> second = {state.second}, highest;
  std::vector<at::Tensor> steps = {at::full({}, static_cast<double>(rates.step), state.values.options())};
  const at::Tensor finite = scale.isfinite().to(at::kFloat), inverse = scale.reciprocal();
  at::_fused_adamw_(values, gradients, first, second, highest, steps, rates.lr, rates.betas[0], rates.betas[1],
                    rates.decay, rates.epsilon, /*amsgrad=*/false, /*maximize=*/false, inverse, 1 - finite);
  state.gradients.zero_();
  if (state.teacher.defined()) state.teacher.lerp_(state.values, finite * (1 - rates.momentum));
}

}  // namespace

AdamwState AdamwState::narrow(std::int64_t begin, std::int64_t end) const {
  const auto part = [&](const at::Tensor& x) { return x.defined() ? x.narrow(0, begin, end - begin) : x; };
  return {part(values), part(gradients), part(first), part(second), part(teacher)};
}

void adamw(const AdamwState& state, const AdamwRates& rates, const at::Tensor& scale) {
  if (!state.values.is_cpu()) return by_passes(state, rates, scale);
  AdamwFactors factors = factors_of(rates);
  const AdamwRange range = range_of(state);
  factors.gradient_scale = scale.item<float>();
  if (!std::isfinite(factors.gradient_scale)) {
    state.gradients.zero_();
    return;
  }
  split_work(range.size, kGrain,
             [&](std::int64_t begin, std::int64_t end) { adamw_range(range.part(begin, end), factors); });
}

}  // namespace cairn::kernels

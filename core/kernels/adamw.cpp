#include "kernels/adamw.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <type_traits>
#include <vector>

#include "kernels/adamw_device.h"
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
  f.chance = hashed(static_cast<std::uint32_t>(rates.step));
  return f;
}

template <class T>
T* data_of(const at::Tensor& x) {
  using Stored = std::conditional_t<std::is_same_v<T, float>, float, at::BFloat16>;
  return x.defined() ? reinterpret_cast<T*>(x.mutable_data_ptr<Stored>()) : nullptr;
}

template <class Moment>
AdamwRange<Moment> range_of(const AdamwState& state) {
  return {data_of<float>(state.values),
          data_of<float>(state.gradients),
          data_of<Moment>(state.first),
          data_of<Moment>(state.second),
          data_of<float>(state.teacher),
          data_of<std::uint16_t>(state.half),
          data_of<std::uint16_t>(state.teacher_half),
          state.values.numel(),
          state.offset};
}

template <class Moment>
void one_pass(const AdamwState& state, AdamwFactors factors, const at::Tensor& scale) {
  const AdamwRange<Moment> range = range_of<Moment>(state);
  if (!state.values.is_cpu()) {
    const c10::DeviceGuard guard(state.values.device());
    return adamw_on_device(range, factors, scale.to(state.values.options()).const_data_ptr<float>());
  }
  factors.gradient_scale = scale.item<float>();
  if (!std::isfinite(factors.gradient_scale)) {
    state.gradients.zero_();
    return;
  }
  split_work(range.size, kGrain,
             [&](std::int64_t begin, std::int64_t end) { adamw_range(range.part(begin, end), factors); });
}

}  // namespace

AdamwState AdamwState::narrow(std::int64_t begin, std::int64_t end) const {
  const auto part = [&](const at::Tensor& x) { return x.defined() ? x.narrow(0, begin, end - begin) : x; };
  return {part(values),  part(gradients), part(first),        part(second),
          part(teacher), part(half),      part(teacher_half), offset + begin};
}

void adamw(const AdamwState& state, const AdamwRates& rates, const at::Tensor& scale) {
  const AdamwFactors factors = factors_of(rates);
  if (state.first.scalar_type() == at::kBFloat16) {
    one_pass<std::uint16_t>(state, factors, scale);
  } else {
    one_pass<float>(state, factors, scale);
  }
}

at::Tensor flat_norm(const at::Tensor& x) {
  if (!x.is_cpu()) return x.norm();
  const std::int64_t size = x.numel(), parts = (size + kGrain - 1) / kGrain;
  const auto* values = x.const_data_ptr<float>();
  std::vector<double> sums(static_cast<std::size_t>(parts));
  split_work(parts, /*grain=*/1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part)
      sums[static_cast<std::size_t>(part)] = square_sum(values + part * kGrain, std::min(kGrain, size - part * kGrain));
  });
  const double norm = std::sqrt(std::accumulate(sums.begin(), sums.end(), 0.0));
  return at::scalar_tensor(norm, x.options());
}

}  // namespace cairn::kernels

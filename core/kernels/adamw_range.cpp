#include "kernels/adamw_range.h"

#include <array>
#include <cmath>
#include <numeric>

namespace cairn::kernels {
namespace {

/// a + weight * (b - a), from the nearer end.
[[gnu::always_inline]] inline float lerp(float a, float b, float weight) {
  return weight < 0.5F ? std::fma(weight, b - a, a) : std::fma(weight - 1, b - a, b);
}

template <bool kFollowed>
[[gnu::always_inline]] inline void update(const AdamwRange& range, const AdamwFactors& f) {
  float* __restrict values = range.values, * __restrict gradients = range.gradients, * __restrict first = range.first;
  float* __restrict second = range.second, * __restrict teacher = range.teacher;
  // Five arrays are more than the compiler tells apart by itself.
#pragma GCC ivdep
  for (std::int64_t i = 0; i < range.size; ++i) {
    const float gradient = gradients[i] * f.gradient_scale;
    const float mean = lerp(first[i], gradient, f.first_weight);
    const float square = std::fma(f.second_weight * gradient, gradient, second[i] * f.second_keep);
    const float root = std::sqrt(square) / f.root_scale + f.epsilon;
    const float value = values[i] * f.keep + -f.step * mean / root;
    first[i] = mean;
    second[i] = square;
    values[i] = value;
    gradients[i] = 0;
    if constexpr (kFollowed) teacher[i] = lerp(teacher[i], value, f.follow);
  }
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void update_followed(const AdamwRange& range, const AdamwFactors& factors) {
  update<true>(range, factors);
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void update_alone(const AdamwRange& range, const AdamwFactors& factors) {
  update<false>(range, factors);
}

}  // namespace

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
double
square_sum(const float* values, std::int64_t size) {
  constexpr std::int64_t kLanes = 16;  // summed apart, so that the widest vectors round as the narrowest do
  std::array<double, kLanes> sums = {};
  double* sum = sums.data();
  const std::int64_t whole = size / kLanes * kLanes;
  for (std::int64_t i = 0; i < whole; i += kLanes)
#pragma omp simd
    for (std::int64_t lane = 0; lane < kLanes; ++lane)
      sum[lane] += static_cast<double>(values[i + lane]) * static_cast<double>(values[i + lane]);
  for (std::int64_t i = whole; i < size; ++i)
    sum[i - whole] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

void adamw_range(const AdamwRange& range, const AdamwFactors& factors) {
  if (range.teacher) {
    update_followed(range, factors);
  } else {
    update_alone(range, factors);
  }
}

}  // namespace cairn::kernels

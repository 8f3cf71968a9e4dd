#include "kernels/gelu_rows.h"

#include "kernels/bfloat16_bits.h"
#include "kernels/vector_math.h"

namespace cairn::kernels {
namespace {

struct Gelu {
  float value, slope;
};

/// The normal distribution's upper tail at |x| is e^(-x^2/2) times a polynomial of t = 1 / (1 + 0.3 |x|) (after
/// Abramowitz & Stegun 7.1.26; least largest relative error by iterated least squares, 1.5e-7).
[[gnu::always_inline]] inline Gelu gelu(float x) {
  constexpr float kDensity = 0.398942280F;  // 1 / sqrt(2 pi)
  const float bell = exp_of_negative(-0.5F * x * x);
  const float t = 1.0F / std::fma(0.3F, std::fabs(x), 1.0F), t2 = t * t;
  const float a = std::fma(0.120753859F, t, 0.119629305F), b = std::fma(0.128559693F, t, 0.0999140847F);
  const float c = std::fma(0.206349492F, t, -0.0536799902F), d = std::fma(0.0356741852F, t, -0.157200702F);
  const float tail = std::fma(std::fma(d, t2, c), t2 * t2, std::fma(b, t2, a)) * (t * bell);
  const float share = x < 0 ? tail : 1.0F - tail;
  return {x * share, std::fma(x * kDensity, bell, share)};
}

template <class T>
[[gnu::always_inline]] inline void values_of(T* x, const float* bias, const RowsShape& shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row, x += shape.width) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < shape.width; ++i) x[i] = narrowed<T>(gelu(widened(x[i]) + bias[i]).value);
  }
}

template <class T>
[[gnu::always_inline]] inline void values_and_slopes(T* x_to_slope, T* out, const float* bias, const RowsShape& shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row, x_to_slope += shape.width, out += shape.width) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < shape.width; ++i) {
      const Gelu at = gelu(widened(x_to_slope[i]) + bias[i]);
      out[i] = narrowed<T>(at.value);
      x_to_slope[i] = narrowed<T>(at.slope);
    }
  }
}

template <bool kHasSlope>
[[gnu::always_inline]] inline void of_sums(const GeluOfSums& all, const StridedRows& shape) {
  const float *x = all.x, *bias = all.bias;
  std::uint16_t *out = all.out, *slope = all.slope;
  for (std::int64_t row = 0; row < shape.rows; ++row, x += shape.width, out += shape.stride) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < shape.width; ++i) {
      const Gelu at = gelu(x[i] + bias[i]);
      out[i] = narrowed<std::uint16_t>(at.value);
      if constexpr (kHasSlope) slope[i] = narrowed<std::uint16_t>(at.slope);
    }
    if constexpr (kHasSlope) slope += shape.stride;
  }
}

template <class T>
[[gnu::always_inline]] inline void backward(const GeluGradient<T>& gradient, const RowsShape& shape) {
  const T *of_out = gradient.of_out, *slope = gradient.slope;
  T* of_x = gradient.of_x;
  float* sums = gradient.sums;
  for (std::int64_t row = 0; row < shape.rows; ++row) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < shape.width; ++i) {
      const float value = widened(of_out[i]) * widened(slope[i]);
      of_x[i] = narrowed<T>(value);
      sums[i] += value;
    }
    of_out += shape.width, slope += shape.width, of_x += shape.width;
  }
}

}  // namespace

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void gelu_rows(float* x, const float* bias, const RowsShape& shape) {
  values_of(x, bias, shape);
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void gelu_rows(std::uint16_t* x, const float* bias, const RowsShape& shape) {
  values_of(x, bias, shape);
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void gelu_rows(float* x_to_slope, float* out, const float* bias, const RowsShape& shape) {
  values_and_slopes(x_to_slope, out, bias, shape);
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void gelu_rows(std::uint16_t* x_to_slope, std::uint16_t* out, const float* bias, const RowsShape& shape) {
  values_and_slopes(x_to_slope, out, bias, shape);
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void gelu_rows(const GeluOfSums& all, const StridedRows& shape) {
  all.slope ? of_sums<true>(all, shape) : of_sums<false>(all, shape);
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void gelu_backward_rows(const GeluGradient<float>& gradient, const RowsShape& shape) {
  backward(gradient, shape);
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void gelu_backward_rows(const GeluGradient<std::uint16_t>& gradient, const RowsShape& shape) {
  backward(gradient, shape);
}

}  // namespace cairn::kernels

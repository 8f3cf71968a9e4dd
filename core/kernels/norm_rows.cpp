#include "kernels/norm_rows.h"

#include <cmath>

#include "kernels/bfloat16_bits.h"

namespace cairn::kernels {
namespace {

template <class T>
[[gnu::always_inline]] inline void norm(const NormRows<T>& pass, const RowsShape& shape, float epsilon) {
  const std::int64_t width = shape.width;
  const float *shift = pass.shift, *gamma = pass.gamma, *beta = pass.beta, share = 1.0F / static_cast<float>(width);
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const float* x = pass.stream + row * width;
    if (pass.branch) {
      const T* branch = pass.branch + row * width;
      float* sum = pass.sum + row * width;
#pragma GCC ivdep
      for (std::int64_t i = 0; i < width; ++i) sum[i] = x[i] + (widened(branch[i]) + (shift ? shift[i] : 0.0F));
      x = sum;
    }
    float total = 0, squares = 0;
#pragma omp simd reduction(+ : total)
    for (std::int64_t i = 0; i < width; ++i) total += x[i];
    const float mean = total * share;
#pragma omp simd reduction(+ : squares)
    for (std::int64_t i = 0; i < width; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const float inverse = 1.0F / std::sqrt(squares * share + epsilon);
    T* normed = pass.normed + row * width;
#pragma GCC ivdep
    for (std::int64_t i = 0; i < width; ++i) normed[i] = narrowed<T>((x[i] - mean) * inverse * gamma[i] + beta[i]);
    pass.mean[row] = mean;
    pass.inverse[row] = inverse;
  }
}

template <class T>
[[gnu::always_inline]] inline void norm_backward(const NormRowsGradient<T>& pass, const RowsShape& shape) {
  const std::int64_t width = shape.width;
  const float *gamma = pass.gamma, share = 1.0F / static_cast<float>(width);
  float *of_gamma = pass.sums, *of_beta = of_gamma + width, *of_shift = of_beta + width;
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const float* x = pass.sum + row * width;
    const T* of_normed = pass.of_normed + row * width;
    const float mean = pass.mean[row], inverse = pass.inverse[row];
    float total = 0, along = 0;
#pragma omp simd reduction(+ : total, along)
    for (std::int64_t i = 0; i < width; ++i) {
      const float unit = (x[i] - mean) * inverse, of_value = widened(of_normed[i]), of_unit = of_value * gamma[i];
      total += of_unit;
      along += of_unit * unit;
      of_gamma[i] += of_value * unit;
      of_beta[i] += of_value;
    }
    const float level = total * share, slope = along * share;
    const float* of_sum = pass.of_sum ? pass.of_sum + row * width : nullptr;
    float* of_stream = pass.of_stream + row * width;
#pragma GCC ivdep
    for (std::int64_t i = 0; i < width; ++i) {
      const float unit = (x[i] - mean) * inverse;
      const float own = (widened(of_normed[i]) * gamma[i] - level - unit * slope) * inverse;
      of_stream[i] = of_sum ? of_sum[i] + own : own;
      of_shift[i] += of_stream[i];
    }
    if (!pass.of_branch) continue;
    T* of_branch = pass.of_branch + row * width;
#pragma GCC ivdep
    for (std::int64_t i = 0; i < width; ++i) of_branch[i] = narrowed<T>(of_stream[i]);
  }
}

}  // namespace

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void norm_rows(const NormRows<float>& pass, const RowsShape& shape, float epsilon) {
  norm(pass, shape, epsilon);
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void norm_rows(const NormRows<std::uint16_t>& pass, const RowsShape& shape, float epsilon) {
  norm(pass, shape, epsilon);
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void norm_backward_rows(const NormRowsGradient<float>& pass, const RowsShape& shape) {
  norm_backward(pass, shape);
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void norm_backward_rows(const NormRowsGradient<std::uint16_t>& pass, const RowsShape& shape) {
  norm_backward(pass, shape);
}

}  // namespace cairn::kernels

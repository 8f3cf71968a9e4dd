#include "kernels/softmax_rows.h"

#include <cmath>

#include "kernels/vector_math.h"

namespace cairn::kernels {

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void exp_rows(const Scores& scores, float* inverse, float* log_sum) {
  const std::int64_t columns = scores.columns;
  const float scale = scores.scale;
  float* x = scores.values;
  for (std::int64_t row = 0; row < scores.rows; ++row, x += columns) {
    float largest = x[0], sum = 0;
#pragma omp simd reduction(max : largest)
    for (std::int64_t i = 0; i < columns; ++i) largest = largest < x[i] ? x[i] : largest;
    const float shift = largest * scale;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < columns; ++i) {
      x[i] = exp_of_negative(std::fma(x[i], scale, -shift));
      sum += x[i];
    }
    inverse[row] = 1.0F / sum;
    log_sum[row] = shift + std::log(sum);
  }
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void softmax_rows(const Scores& scores, const float* log_sum) {
  const std::int64_t columns = scores.columns;
  const float scale = scores.scale;
  float* x = scores.values;
  for (std::int64_t row = 0; row < scores.rows; ++row, x += columns) {
    const float shift = log_sum[row];
#pragma omp simd
    for (std::int64_t i = 0; i < columns; ++i) x[i] = exp_of_negative(std::fma(x[i], scale, -shift));
  }
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void softmax_backward_rows(const Scores& gradients, const float* probabilities, const float* means) {
  const std::int64_t columns = gradients.columns;
  const float scale = gradients.scale;
  float* x = gradients.values;
  for (std::int64_t row = 0; row < gradients.rows; ++row, x += columns, probabilities += columns) {
    const float mean = means[row];
#pragma omp simd
    for (std::int64_t i = 0; i < columns; ++i) x[i] = probabilities[i] * (x[i] - mean) * scale;
  }
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void scale_rows(float* x, const float* factors, const StridedRows& shape) {
  const std::int64_t width = shape.width;
  for (std::int64_t row = 0; row < shape.rows; ++row, x += shape.stride) {
    const float factor = factors[row];
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) x[i] *= factor;
  }
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void dot_rows(const float* a, const float* b, float* out, const StridedRows& shape) {
  const std::int64_t width = shape.width;
  for (std::int64_t row = 0; row < shape.rows; ++row, a += shape.stride, b += shape.stride) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < width; ++i) sum += a[i] * b[i];
    out[row] = sum;
  }
}

}  // namespace cairn::kernels

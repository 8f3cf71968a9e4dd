#include "kernels/softmax_rows.h"

#include <algorithm>
#include <limits>

#include "kernels/bfloat16_bits.h"
#include "kernels/vector_math.h"

namespace cairn::kernels {

namespace {

constexpr float kNone = std::numeric_limits<float>::lowest();  // a score that no probability comes of

}  // namespace

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void exp_rows(const Scores& scores, const RowSums<float>& sums) {
  const std::int64_t columns = scores.columns;
  const float scale = scores.scale;
  float* x = scores.values;
  for (std::int64_t row = 0; row < scores.rows; ++row, x += columns) {
    float largest = x[0], sum = 0;
#pragma omp simd reduction(max : largest)
    for (std::int64_t i = 0; i < columns; ++i) largest = largest < x[i] ? x[i] : largest;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < columns; ++i) {
      x[i] = exp_of_negative((x[i] - largest) * scale);
      sum += x[i];
    }
    sums.largest[row] = largest;
    sums.inverse[row] = 1.0F / sum;
  }
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void exp_rows(const Scores& scores, const RowSums<float>& sums, std::uint16_t* out, std::int64_t stride) {
  float* x = scores.values;
  const float scale = scores.scale;
  for (std::int64_t row = 0; row < scores.rows; ++row, x += stride, out += stride) {
    std::fill(x + scores.columns, x + stride, kNone);  // so that whole vectors are computed
    float largest = kNone, sum = 0;
#pragma omp simd reduction(max : largest)
    for (std::int64_t i = 0; i < stride; ++i) largest = largest < x[i] ? x[i] : largest;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < stride; ++i) {
      const float value = exp_of_negative((x[i] - largest) * scale);
      out[i] = narrowed<std::uint16_t>(value);
      sum += value;
    }
    std::fill(out + scores.columns, out + stride, std::uint16_t{0});
    sums.largest[row] = largest;
    sums.inverse[row] = 1.0F / sum;
  }
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void softmax_rows(const Scores& scores, const RowSums<const float>& sums) {
  const std::int64_t columns = scores.columns;
  const float scale = scores.scale;
  float* x = scores.values;
  for (std::int64_t row = 0; row < scores.rows; ++row, x += columns) {
    const float largest = sums.largest[row], inverse = sums.inverse[row];
#pragma omp simd
    for (std::int64_t i = 0; i < columns; ++i) x[i] = probability((x[i] - largest) * scale, inverse);
  }
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void softmax_backward_rows(const Scores& gradients, const float* probabilities) {
  const std::int64_t columns = gradients.columns;
  const float scale = gradients.scale;
  float* x = gradients.values;
  for (std::int64_t row = 0; row < gradients.rows; ++row, x += columns, probabilities += columns) {
    float mean = 0;
#pragma omp simd reduction(+ : mean)
    for (std::int64_t i = 0; i < columns; ++i) mean += probabilities[i] * x[i];
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
void shift_rows(float* x, const float* shift, const StridedRows& shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row, x += shape.stride) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < shape.width; ++i) x[i] += shift[i];
  }
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void sum_rows(const float* x, float* sums, const StridedRows& shape) {
  std::fill_n(sums, shape.width, 0.0F);
  for (std::int64_t row = 0; row < shape.rows; ++row, x += shape.stride) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < shape.width; ++i) sums[i] += x[i];
  }
}

}  // namespace cairn::kernels

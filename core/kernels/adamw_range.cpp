#include "kernels/adamw_range.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <type_traits>

#include "kernels/bfloat16_bits.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace cairn::kernels {
namespace {

/// a + weight * (b - a), from the nearer end.
[[gnu::always_inline]] inline float lerp(float a, float b, float weight) {
  return weight < 0.5F ? std::fma(weight, b - a, a) : std::fma(weight - 1, b - a, b);
}

template <bool kFollowed, bool kHalved, class Moment>
[[gnu::always_inline]] inline void update(const AdamwRange<Moment>& range, const AdamwFactors& f) {
  float* __restrict values = range.values, * __restrict gradients = range.gradients, * __restrict teacher = range.teacher;
  Moment* __restrict first = range.first, * __restrict second = range.second;
  std::uint16_t* __restrict half = range.half, * __restrict teacher_half = range.teacher_half;
  auto place = static_cast<std::uint32_t>(range.offset);
  // Five arrays and more are more than the compiler tells apart by itself.
#pragma GCC ivdep
  for (std::int64_t i = 0; i < range.size; ++i, ++place) {
    const float gradient = gradients[i] * f.gradient_scale;
    const float mean = lerp(widened(first[i]), gradient, f.first_weight);
    const float square = std::fma(f.second_weight * gradient, gradient, widened(second[i]) * f.second_keep);
    const float root = std::sqrt(square) / f.root_scale + f.epsilon;
    const float value = values[i] * f.keep + -f.step * mean / root;
    if constexpr (std::is_same_v<Moment, float>) {
      first[i] = mean;
      second[i] = square;
    } else {
      const std::uint32_t chance = chance_of(place, f);
      first[i] = narrowed_by_chance(mean, chance & 0xFFFFU);
      second[i] = narrowed_by_chance(square, chance >> 16U);
    }
    values[i] = value;
    gradients[i] = 0;
    if constexpr (kHalved) half[i] = narrowed<std::uint16_t>(value);
    if constexpr (kFollowed) {
      const float followed = lerp(teacher[i], value, f.follow);
      teacher[i] = followed;
      if constexpr (kHalved) teacher_half[i] = narrowed<std::uint16_t>(followed);
    }
  }
}

/// Stores past the caches: the lines need not be read first, and nobody reads them soon.
void copy_past_caches(const std::uint16_t* from, std::uint16_t* to, std::int64_t size) {
  std::int64_t i = 0;
#if defined(__SSE2__)
  constexpr std::int64_t kValues = sizeof(__m128i) / sizeof(std::uint16_t);
  if (reinterpret_cast<std::uintptr_t>(to) % sizeof(__m128i) == 0)
    for (; i + kValues <= size; i += kValues)
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + i), _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
#endif
  std::copy(from + i, from + size, to + i);
}

/// With copies in bfloat16, a piece that stays in the caches after the other.
template <bool kFollowed, class Moment>
[[gnu::always_inline]] inline void update_halved(const AdamwRange<Moment>& range, const AdamwFactors& f) {
  constexpr std::int64_t kPiece = 2048;
  alignas(64) std::array<std::uint16_t, kPiece> half, teacher_half;
  for (std::int64_t begin = 0; begin < range.size; begin += kPiece) {
    AdamwRange<Moment> piece = range.part(begin, std::min(begin + kPiece, range.size));
    piece.half = half.data();
    piece.teacher_half = teacher_half.data();
    update<kFollowed, true>(piece, f);
    copy_past_caches(half.data(), range.half + begin, piece.size);
    if constexpr (kFollowed) copy_past_caches(teacher_half.data(), range.teacher_half + begin, piece.size);
  }
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

template <class Moment>
[[gnu::always_inline]] inline void update_any(const AdamwRange<Moment>& range, const AdamwFactors& factors) {
  if (range.teacher && range.half) {
    update_halved<true>(range, factors);
  } else if (range.teacher) {
    update<true, false>(range, factors);
  } else if (range.half) {
    update_halved<false>(range, factors);
  } else {
    update<false, false>(range, factors);
  }
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

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void adamw_range(const AdamwRange<float>& range, const AdamwFactors& factors) {
  update_any(range, factors);
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void adamw_range(const AdamwRange<std::uint16_t>& range, const AdamwFactors& factors) {
  update_any(range, factors);
}

}  // namespace cairn::kernels

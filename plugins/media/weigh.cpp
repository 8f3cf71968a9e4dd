#include "media/weigh.h"

#include <algorithm>
#include <bit>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace cairn::media {
namespace {

constexpr std::size_t kWideBytes = 32;  // that weigh_avx512() sums side by side

void weigh_plain(const std::uint8_t* in, std::size_t step, const WeightPair* pairs, std::size_t count,
                 std::uint8_t* out, std::size_t size) {
  for (std::size_t at = 0; at < size; at += kWeighedBytes, in += kWeighedBytes, out += kWeighedBytes) {
    std::array<std::int32_t, kWeighedBytes> sums;
    sums.fill(kHalfWeight);
    const std::uint8_t* from = in;
    for (std::size_t pair = 0; pair < count; ++pair)
      for (std::size_t k = 0; k < 2; ++k, from += step) {
        const std::int32_t weight = pairs[pair].high[k] * (1 << kLowBits) + pairs[pair].low[k];
        for (std::size_t i = 0; i < kWeighedBytes; ++i) sums[i] += weight * from[i];
      }
    for (std::size_t i = 0; i < kWeighedBytes; ++i)
      out[i] = static_cast<std::uint8_t>(std::clamp(sums[i] >> kWeightBits, 0, 255));
  }
}

#if defined(__x86_64__)
std::int32_t both(const std::array<std::int16_t, 2>& weights) { return std::bit_cast<std::int32_t>(weights); }

[[gnu::target("avx2")]] __m256i widen(const std::uint8_t* in) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in)));
}

/// The sums of both parts of the weights, as 16-bit numbers of no fraction.
[[gnu::target("avx2")]] __m256i whole(__m256i high, __m256i low) {
  return _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(high, kLowBits), low), kWeightBits);
}

[[gnu::target("avx2")]] void weigh_avx2(const std::uint8_t* in, std::size_t step, const WeightPair* pairs,
                                        std::size_t count, std::uint8_t* out, std::size_t size) {
  for (std::size_t at = 0; at < size; at += kWeighedBytes) {
    __m256i high_a = _mm256_setzero_si256(), high_b = high_a;
    __m256i low_a = _mm256_set1_epi32(kHalfWeight), low_b = low_a;
    const std::uint8_t* from = in + at;
    for (std::size_t pair = 0; pair < count; ++pair, from += 2 * step) {
      const __m256i one = widen(from), other = widen(from + step);
      // Pairs of neighbours, in the order that packing below undoes.
      const __m256i a = _mm256_unpacklo_epi16(one, other), b = _mm256_unpackhi_epi16(one, other);
      const __m256i high = _mm256_set1_epi32(both(pairs[pair].high)), low = _mm256_set1_epi32(both(pairs[pair].low));
      high_a = _mm256_add_epi32(high_a, _mm256_madd_epi16(a, high));
      high_b = _mm256_add_epi32(high_b, _mm256_madd_epi16(b, high));
      low_a = _mm256_add_epi32(low_a, _mm256_madd_epi16(a, low));
      low_b = _mm256_add_epi32(low_b, _mm256_madd_epi16(b, low));
    }
    const __m256i words = _mm256_packs_epi32(whole(high_a, low_a), whole(high_b, low_b));
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + at), bytes);
  }
}

[[gnu::target("avx512f,avx512bw,avx512vnni")]] __m512i widen_wide(const std::uint8_t* in) {
  return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(in)));
}

[[gnu::target("avx512f,avx512bw,avx512vnni")]] __m512i whole_wide(__m512i high, __m512i low) {
  constexpr __mmask16 kAll = 0xFFFF;  // without masks GCC 12 warns of its own header
  const __m512i sum = _mm512_add_epi32(_mm512_maskz_slli_epi32(kAll, high, kLowBits), low);
  return _mm512_maskz_srai_epi32(kAll, sum, kWeightBits);
}

/// The same, twice as many at once; `size` is a multiple of kWideBytes.
[[gnu::target("avx512f,avx512bw,avx512vnni")]] void weigh_avx512(const std::uint8_t* in, std::size_t step,
                                                                 const WeightPair* pairs, std::size_t count,
                                                                 std::uint8_t* out, std::size_t size) {
  for (std::size_t at = 0; at < size; at += kWideBytes) {
    __m512i high_a = _mm512_setzero_si512(), high_b = high_a;
    __m512i low_a = _mm512_set1_epi32(kHalfWeight), low_b = low_a;
    const std::uint8_t* from = in + at;
    for (std::size_t pair = 0; pair < count; ++pair, from += 2 * step) {
      const __m512i one = widen_wide(from), other = widen_wide(from + step);
      const __m512i a = _mm512_unpacklo_epi16(one, other), b = _mm512_unpackhi_epi16(one, other);
      const __m512i high = _mm512_set1_epi32(both(pairs[pair].high)), low = _mm512_set1_epi32(both(pairs[pair].low));
      high_a = _mm512_dpwssd_epi32(high_a, a, high);
      high_b = _mm512_dpwssd_epi32(high_b, b, high);
      low_a = _mm512_dpwssd_epi32(low_a, a, low);
      low_b = _mm512_dpwssd_epi32(low_b, b, low);
    }
    const __m512i words = _mm512_packs_epi32(whole_wide(high_a, low_a), whole_wide(high_b, low_b));
    const __m512i positive = _mm512_max_epi16(words, _mm512_setzero_si512());
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + at), _mm512_maskz_cvtusepi16_epi8(~__mmask32{0}, positive));
  }
}

bool has_avx512() { return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni"); }
#endif

}  // namespace

void weigh(const std::uint8_t* in, std::size_t step, const WeightPair* pairs, std::size_t count, std::uint8_t* out,
           std::size_t size) {
#if defined(__x86_64__)
  if (has_avx512()) {
    const std::size_t wide = size / kWideBytes * kWideBytes;
    weigh_avx512(in, step, pairs, count, out, wide);
    in += wide, out += wide, size -= wide;
  }
  if (__builtin_cpu_supports("avx2")) return weigh_avx2(in, step, pairs, count, out, size);
#endif
  weigh_plain(in, step, pairs, count, out, size);
}

}  // namespace cairn::media

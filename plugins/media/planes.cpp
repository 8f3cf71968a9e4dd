#include "media/planes.h"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace cairn::media {
namespace {

std::uint8_t luminance(const std::uint8_t* rgb) {
  return static_cast<std::uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

#if defined(__x86_64__)
[[gnu::target_clones("avx2", "default")]]
#endif
void split(const std::uint8_t* in, std::size_t count, std::uint8_t* red, std::uint8_t* green, std::uint8_t* blue) {
  for (std::size_t i = 0; i < count; ++i) {
    red[i] = in[3 * i];
    green[i] = in[3 * i + 1];
    blue[i] = in[3 * i + 2];
  }
}

#if defined(__x86_64__)
[[gnu::target_clones("avx2", "default")]]
#endif
void scale(const std::uint8_t* in, std::size_t count, float factor, float shift, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i]) * factor - shift;
}

#if defined(__x86_64__)
/// The same by stores that go past the caches and do not read what they overwrite.
[[gnu::target("avx2")]] void scale_past_caches(const std::uint8_t* in, std::size_t count, float factor, float shift,
                                               float* out) {
  constexpr std::size_t kStep = sizeof(__m256) / sizeof(float);
  const std::size_t place = reinterpret_cast<std::uintptr_t>(out) / sizeof(float) % kStep;
  std::size_t at = std::min(count, (kStep - place) % kStep);
  scale(in, at, factor, shift, out);
  const __m256 factors = _mm256_set1_ps(factor), shifts = _mm256_set1_ps(shift);
  for (; at + kStep <= count; at += kStep) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(in + at));
    const __m256 values = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
    _mm256_stream_ps(out + at, _mm256_sub_ps(_mm256_mul_ps(values, factors), shifts));
  }
  scale(in + at, count - at, factor, shift, out + at);
  _mm_sfence();  // such stores become visible to other threads in any order
}
#endif

}  // namespace

void copy_planes(const Picture& picture, std::int64_t channels, std::uint8_t* out, std::size_t stride, bool mirrored) {
  if (channels == 3 && !mirrored)
    return split(picture.rgb.data(), picture.rgb.size() / 3, out, out + stride, out + 2 * stride);
  const std::ptrdiff_t step = mirrored ? -1 : 1, width = picture.width;
  for (int y = 0; y < picture.height; ++y, out += width) {
    const std::uint8_t* in = picture.row(y);
    std::uint8_t* to = mirrored ? out + width - 1 : out;
    for (std::ptrdiff_t x = 0; x < width; ++x, in += 3, to += step) {
      if (channels == 1) {
        *to = luminance(in);
        continue;
      }
      to[0] = in[0];
      to[stride] = in[1];
      to[2 * stride] = in[2];
    }
  }
}

void scale_bytes(const std::uint8_t* in, std::size_t count, float factor, float shift, float* out, bool past_caches) {
#if defined(__x86_64__)
  if (past_caches && __builtin_cpu_supports("avx2")) return scale_past_caches(in, count, factor, shift, out);
#endif
  scale(in, count, factor, shift, out);
}

}  // namespace cairn::media

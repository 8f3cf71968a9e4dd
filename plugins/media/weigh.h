#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace cairn::media {

/// Bytes that weigh() sums side by side.
inline constexpr std::size_t kWeighedBytes = 16;
/// Fractional bits of a weight: 8 bits of pixel and 2 of overshoot leave 22 of 32.
inline constexpr int kWeightBits = 22;

/// Bits of a weight's low part.
inline constexpr int kLowBits = 11;

/// What rounds a sum of weights and bytes.
inline constexpr std::int32_t kHalfWeight = 1 << (kWeightBits - 1);

/// Two weights next to each other. Each is high * 2^kLowBits + low, as processors multiply 16 bits faster than 32.
struct WeightPair {
  std::array<std::int16_t, 2> high = {0, 0}, low = {0, 0};

  void set(std::size_t which, std::int32_t weight) {
    high[which] = static_cast<std::int16_t>(weight >> kLowBits);
    low[which] = static_cast<std::int16_t>(weight & ((1 << kLowBits) - 1));
  }
};

/// out[i] = the sum of weight k times in[k * step + i] over the weights of `count` pairs, rounded to a byte, for
/// i < size, a multiple of kWeighedBytes. The same on every processor, faster where there is AVX2 or AVX-512.
void weigh(const std::uint8_t* in, std::size_t step, const WeightPair* pairs, std::size_t count, std::uint8_t* out,
           std::size_t size);

}  // namespace cairn::media

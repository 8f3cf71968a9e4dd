#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

namespace cairn::kernels {

// Loops over rows are written once for float and for bfloat16, which is given by its bits.

[[gnu::always_inline]] constexpr float widened(float value) { return value; }

[[gnu::always_inline]] constexpr float widened(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

/// Rounded to the nearest and to the even of two; NaN stays NaN.
template <class T>
[[gnu::always_inline]] constexpr T narrowed(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    constexpr std::uint32_t kHalf = 0x7FFF, kQuiet = 0x7FC0;
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t nearest = (bits + kHalf + ((bits >> 16U) & 1U)) >> 16U;
    return static_cast<T>(value != value ? kQuiet : nearest);
  }
}

/// Rounded to one of the two neighbours by `chance`, 16 random bits, so that the mean over all of them is the value
/// (Gupta et al. 2015, section 3). Beyond the largest it is cut off; infinity and quiet NaN stay.
[[gnu::always_inline]] constexpr std::uint16_t narrowed_by_chance(float value, std::uint32_t chance) {
  constexpr std::int32_t kLargest = 0x7F7F0000, kMagnitude = 0x7FFFFFFF;
  const auto bits = std::bit_cast<std::int32_t>(value);
  const bool has_next = (bits & kMagnitude) < kLargest;
  return static_cast<std::uint16_t>((static_cast<std::uint32_t>(bits) + (has_next ? chance : 0U)) >> 16U);
}

}  // namespace cairn::kernels

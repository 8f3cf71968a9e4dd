#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

namespace cairn::kernels {

// Loops over rows are written once for float and for bfloat16, which is given by its bits.

[[gnu::always_inline]] inline float widened(float value) { return value; }

[[gnu::always_inline]] inline float widened(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

/// Rounded to the nearest and to the even of two; NaN stays NaN.
template <class T>
[[gnu::always_inline]] inline T narrowed(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    constexpr std::uint32_t kHalf = 0x7FFF, kQuiet = 0x7FC0;
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t nearest = (bits + kHalf + ((bits >> 16U) & 1U)) >> 16U;
    return static_cast<T>(value != value ? kQuiet : nearest);
  }
}

}  // namespace cairn::kernels

#pragma once

#include <cstdint>

namespace cairn::kernels {

/// A permutation of the 32-bit numbers in which every bit depends on every bit, in steps that all vectors have: the
/// best of two multiplications that Wellons's search found ("hash-prospector", 2018, in the public domain).
[[gnu::always_inline]] constexpr std::uint32_t hashed(std::uint32_t x) {
  x = (x ^ (x >> 16U)) * 0x21F0AAADU;
  x = (x ^ (x >> 15U)) * 0xD35A2D97U;
  return x ^ (x >> 15U);
}

}  // namespace cairn::kernels

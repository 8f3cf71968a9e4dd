#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace cairn::kernels {

/// e^x for x <= 0, to 2e-7 of it and not below 1e-38, in steps that a compiler makes vectors of: 2^n by its bits, times
/// a polynomial of the rest (least largest error by iterated least squares, 3e-9). NaN stays NaN.
[[gnu::always_inline]] inline float exp_of_negative(float x) {
  constexpr float kLowest = -87.0F, kLog2E = 1.44269504F;
  constexpr float kRounder = 12582912.0F;                              // 1.5 * 2^23: a sum with it has no fraction
  constexpr float kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;  // ln 2 is their sum
  x = x < kLowest ? kLowest : x;
  const float shifted = std::fma(x, kLog2E, kRounder), n = shifted - kRounder;
  const float r = std::fma(n, -kLn2Low, std::fma(n, -kLn2High, x)), r2 = r * r;
  const float low = std::fma(0.166665207F, r, 0.499999935F), high = std::fma(0.00836871105F, r, 0.0416683876F);
  const float rest = std::fma(std::fma(std::fma(0.00138145983F, r2, high), r2, low), r2, 1.0F + r);
  return std::bit_cast<float>(std::bit_cast<std::int32_t>(rest) + (std::bit_cast<std::int32_t>(shifted) << 23));
}

/// That of a softmax, from the scaled score less the largest, and 1 / the sum of all e^x.
[[gnu::always_inline]] inline float probability(float below, float inverse) {
  return exp_of_negative(below > 0 ? 0 : below) * inverse;  // above the largest only where products round anew
}

}  // namespace cairn::kernels

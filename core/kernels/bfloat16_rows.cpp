#include "kernels/bfloat16_rows.h"

#include <bit>

namespace cairn::kernels {
namespace {

[[gnu::always_inline]] inline std::uint16_t rounded(float value) {
  constexpr std::uint32_t kHalf = 0x7FFF, kQuiet = 0x7FC0;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t nearest = (bits + kHalf + ((bits >> 16U) & 1U)) >> 16U;
  return static_cast<std::uint16_t>(value != value ? kQuiet : nearest);
}

}  // namespace

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void widen_rows(const std::uint16_t* from, float* to, const StridedRows& shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row, from += shape.stride, to += shape.width) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < shape.width; ++i)
      to[i] = std::bit_cast<float>(static_cast<std::uint32_t>(from[i]) << 16U);
  }
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void narrow_rows(const float* from, std::uint16_t* to, const StridedRows& shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row, from += shape.width, to += shape.stride) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < shape.width; ++i) to[i] = rounded(from[i]);
  }
}

}  // namespace cairn::kernels

#include "kernels/bfloat16_rows.h"

#include "kernels/bfloat16_bits.h"

namespace cairn::kernels {

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void widen_rows(const std::uint16_t* from, float* to, const StridedRows& shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row, from += shape.stride, to += shape.width) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < shape.width; ++i) to[i] = widened(from[i]);
  }
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void narrow_rows(const float* from, std::int64_t from_stride, std::uint16_t* to, const StridedRows& shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row, from += from_stride, to += shape.stride) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < shape.width; ++i) to[i] = narrowed<std::uint16_t>(from[i]);
  }
}

}  // namespace cairn::kernels

#pragma once

#include <cstdint>

#include "kernels/integer_hash.h"

namespace cairn::kernels {

/// Where one update reads and writes, `size` values each: float32, but for moments of bfloat16, given by their bits.
template <class Moment>
struct AdamwRange {
  float* values = nullptr;
  float* gradients = nullptr;
  Moment* first = nullptr;
  Moment* second = nullptr;
  float* teacher = nullptr;                                // may be null
  std::uint16_t *half = nullptr, *teacher_half = nullptr;  // written only: values and teacher in bfloat16; may be null
  std::int64_t size = 0;
  std::int64_t offset = 0;  // of these values in the whole memory

  AdamwRange part(std::int64_t begin, std::int64_t end) const {
    const auto from = [&](auto* array) { return array ? array + begin : nullptr; };
    return {from(values), from(gradients),    from(first), from(second),  from(teacher),
            from(half),   from(teacher_half), end - begin, offset + begin};
  }
};

/// The numbers of one update, worked out in float64.
struct AdamwFactors {
  float gradient_scale = 1;  // clipping; on a GPU it is read there
  float keep = 1;            // 1 - lr * decay
  float first_weight = 0;    // 1 - beta1
  float second_keep = 1;     // beta2
  float second_weight = 0;   // 1 - beta2
  float root_scale = 1;      // sqrt(1 - beta2^t)
  float epsilon = 0;
  float step = 0;            // lr / (1 - beta1^t)
  float follow = 0;          // 1 - momentum of the teacher
  std::uint32_t chance = 0;  // where this update's random numbers start, of moments that are rounded
};

/// The random bits by which both moments of a value are rounded, 16 each. They depend on its place and on the update
/// alone; values 2^32 apart share theirs.
[[gnu::always_inline]] constexpr std::uint32_t chance_of(std::uint32_t place, const AdamwFactors& factors) {
  return hashed(place ^ factors.chance);
}

/// One pass on this thread. Every processor gives the same values: with float32, those of PyTorch's fused AdamW and
/// lerp; with bfloat16 the same of the moments it reads, which are rounded when it writes them.
void adamw_range(const AdamwRange<float>& range, const AdamwFactors& factors);
void adamw_range(const AdamwRange<std::uint16_t>& range, const AdamwFactors& factors);

/// The sum of the squares of `size` values. Every processor gives the same.
double square_sum(const float* values, std::int64_t size);

}  // namespace cairn::kernels

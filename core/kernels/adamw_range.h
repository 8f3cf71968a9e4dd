#pragma once

#include <cstdint>

namespace cairn::kernels {

/// Where one update reads and writes, `size` float32 values each.
struct AdamwRange {
  float* values = nullptr;
  float* gradients = nullptr;
  float* first = nullptr;
  float* second = nullptr;
  float* teacher = nullptr;  // may be null
  std::int64_t size = 0;

  AdamwRange part(std::int64_t begin, std::int64_t end) const {
    return {values + begin, gradients + begin, first + begin, second + begin, teacher ? teacher + begin : nullptr,
            end - begin};
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
  float step = 0;    // lr / (1 - beta1^t)
  float follow = 0;  // 1 - momentum of the teacher
};

/// One pass on this thread. Every processor gives the same values: those of PyTorch's fused AdamW and lerp.
void adamw_range(const AdamwRange& range, const AdamwFactors& factors);

/// The sum of the squares of `size` values. Every processor gives the same.
double square_sum(const float* values, std::int64_t size);

}  // namespace cairn::kernels

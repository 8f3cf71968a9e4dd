#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

#include "cairn/export.h"

namespace cairn::kernels {

/// What an update reads and writes: float32 [S] each, contiguous, of equal layout, on one device. The moments may both
/// be bfloat16.
struct CAIRN_API AdamwState {
  at::Tensor values, gradients, first, second;
  at::Tensor teacher;             // may be undefined
  at::Tensor half, teacher_half;  // bfloat16 [S], written only: what values and teacher become; may be undefined
  std::int64_t offset = 0;        // of these values in the whole memory

  AdamwState narrow(std::int64_t begin, std::int64_t end) const;
};

/// The rates of one update.
struct AdamwRates {
  double lr = 0.0;
  double decay = 0.0;
  std::array<double, 2> betas = {0.9, 0.999};
  double epsilon = 1e-8;
  std::int64_t step = 1;  // this update's number, from 1
  double momentum = 1.0;  // of the teacher
};

/// AdamW (Loshchilov and Hutter 2019, algorithm 2), the teacher's moving average and the zeroed gradient in one pass
/// over memory: 40 bytes a parameter, 28 without a teacher, 8 less with moments of bfloat16, 2 more for each copy that
/// mixed precision computes with. Moments of bfloat16 are rounded up or down at random: with beta2 = 0.999 an update
/// changes the second one by less than half its last place, and the nearest would freeze it. The random numbers depend
/// on a value's place and on the update's number alone. A GPU gives the values of a CPU, on its current stream and with
/// nothing read back. The gradient is multiplied by `scale`, a scalar on the same device, first; where that is not
/// finite nothing changes but the gradient, which is zeroed.
CAIRN_API void adamw(const AdamwState& state, const AdamwRates& rates, const at::Tensor& scale);

/// The norm of `x`, float32 [S] and contiguous, a scalar on its device. On the CPU the same for any number of threads,
/// summed in float64.
CAIRN_API at::Tensor flat_norm(const at::Tensor& x);

}  // namespace cairn::kernels

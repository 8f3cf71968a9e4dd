#pragma once

#include "kernels/adamw_range.h"

namespace cairn::kernels {

/// One pass on the current stream of the current CUDA device, where range and scale lie: the values of adamw_range,
/// with `*scale` in the place of the factors' gradient_scale. Where it is not finite nothing changes but the gradients,
/// which are zeroed. Ranges that do not start at a multiple of four values take longer. Throws where Cairn has no CUDA.
void adamw_on_device(const AdamwRange<float>& range, const AdamwFactors& factors, const float* scale);
void adamw_on_device(const AdamwRange<std::uint16_t>& range, const AdamwFactors& factors, const float* scale);

}  // namespace cairn::kernels

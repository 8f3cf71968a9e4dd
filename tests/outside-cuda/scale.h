#pragma once

#include <cstdint>

namespace cairn::gain {

/// Multiplies `count` values in the device's memory, on the CUDA stream `stream`.
void scale_on_device(float* values, std::int64_t count, float factor, void* stream);

}  // namespace cairn::gain

#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>

namespace cairn {

/// The device that --device auto|cpu|cuda asks for; Error where there is none of that kind.
at::Device choose_device(const std::string& asked);

/// Lets the CPU compute on this many threads; 0 means as many as OMP_NUM_THREADS says, and without it one a core.
void use_threads(std::int64_t threads);

}  // namespace cairn

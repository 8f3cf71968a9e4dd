#pragma once

#include <cstddef>

namespace cairn::audio {

/// Floats that are computed side by side; the compiler makes of them what a processor has. Functions that use them
/// carry gnu::target_clones, of which the program picks the best for its processor when it starts.
inline constexpr std::size_t kLanes = 16;
using Lanes [[gnu::vector_size(kLanes * sizeof(float))]] = float;

}  // namespace cairn::audio

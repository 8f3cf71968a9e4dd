#pragma once

#include <cstddef>
#include <cstdint>

#include "media/picture.h"

namespace cairn::media {

/// Writes a picture's channels to planes of `stride` values each; one channel is the luminance (ITU-R 601, as Pillow
/// rounds it). `mirrored` swaps left and right.
void copy_planes(const Picture& picture, std::int64_t channels, std::uint8_t* out, std::size_t stride,
                 bool mirrored = false);

/// out[i] = in[i] * scale - shift, both steps rounded to float. `past_caches`: `out` is part of what is too large for
/// them, so that it would be read before it is overwritten, and driven out before it is used.
void scale_bytes(const std::uint8_t* in, std::size_t count, float scale, float shift, float* out, bool past_caches);

}  // namespace cairn::media

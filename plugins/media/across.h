#pragma once

#include <cstddef>
#include <cstdint>

#include "media/picture.h"
#include "media/taps.h"

namespace cairn::media {

/// Output bytes that filter_across_wide() may write after the last pixel of a row.
inline constexpr std::size_t kAcrossPadding = 16;

/// The horizontal pass of a Resampler over the rows [top, top + rows) of a picture whose first column is `left` of the
/// source's, to rows of `stride` bytes. Five neighbours are computed at once from the bytes of one row. False, and
/// nothing is done, where the processor has no AVX-512 with VBMI and VNNI or their inputs lie too far apart for it.
bool filter_across_wide(const Taps& taps, const Picture& picture, int left, int top, int rows, std::uint8_t* out,
                        std::size_t stride);

}  // namespace cairn::media

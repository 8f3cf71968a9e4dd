#pragma once

#include <array>

#include "cairn/rng.h"
#include "media/resample.h"

namespace cairn::media {

/// The rectangle of a random resized crop: a share of the area uniform in `scale`, an aspect log-uniform in `ratio`,
/// ten tries, then the largest central rectangle of an allowed aspect, as in torchvision. Whole pixels.
Box draw_crop(Extent picture, const std::array<double, 2>& scale, const std::array<double, 2>& ratio, Rng& rng);

}  // namespace cairn::media

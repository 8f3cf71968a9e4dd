#pragma once

#include <cstdint>

#include "picture.h"

namespace cairn::image {

enum class Interpolation : std::uint8_t { bilinear, bicubic };

/// A rectangle of a picture in pixels; edges may lie between pixels.
struct Box {
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;
};

/// Part of a resampled picture: only these output pixels are computed.
struct Window {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
};

/// Scales `box` of `source` to `target` and returns `window` of the result. The filter widens with the reduction
/// (antialiasing), bicubic has a = -0.5, weights have 22 fractional bits and the horizontal pass is rounded to 8 bits,
/// all as Pillow's resize does. Filter taps may reach beyond the box, never beyond the picture.
Picture resample(const Picture& source, const Box& box, Extent target, const Window& window, Interpolation filter);

/// Scales `box` of `source` to `target`.
Picture resample(const Picture& source, const Box& box, Extent target, Interpolation filter);

/// The evaluation transform: short side to `resize` (long side truncated to whole pixels), then the central square of
/// `crop` pixels, its offset rounded half to even, as torchvision's Resize and CenterCrop on Pillow pictures.
Picture resize_and_centre_crop(const Picture& source, int resize, int crop, Interpolation filter);

}  // namespace cairn::image

#pragma once

#include <array>

#include "media/colour.h"
#include "media/resample.h"

namespace cairn::image {

using media::Box;
using media::Extent;
using media::Interpolation;
using media::Picture;

/// What may happen to a view of a picture.
struct Augmentation : media::Colouring {
  std::array<double, 2> crop_scale = {0.3, 1.0};
  std::array<double, 2> crop_ratio = {3.0 / 4, 4.0 / 3};
  double flip = 0.5;

  bool operator==(const Augmentation&) const = default;
};

/// How one view of a picture is drawn.
struct ViewRecipe : Augmentation {
  int size = 224;
  bool local = false;
  Interpolation interpolation = Interpolation::bicubic;

  /// Whether anything but the whole picture is asked for.
  bool crops() const { return crop_scale[0] < 1; }
};

}  // namespace cairn::image

#pragma once

#include <array>
#include <vector>

#include "cairn/rng.h"
#include "media/resample.h"

namespace cairn::image {

using media::Box;
using media::Extent;
using media::Interpolation;
using media::Picture;

/// What may happen to a view of a picture.
struct Augmentation {
  std::array<double, 2> crop_scale = {0.3, 1.0};
  std::array<double, 2> crop_ratio = {3.0 / 4, 4.0 / 3};
  double flip = 0.5;
  std::array<double, 4> jitter = {0, 0, 0, 0};  // brightness, contrast, saturation, hue
  double jitter_probability = 0.8;
  double grey = 0;
  double blur = 0;
  std::array<double, 2> blur_sigma = {0.1, 2.0};
  double solarise = 0;

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

/// Flip, colour jitter in random order, grey, blur, solarise: what follows the crop, in place.
void augment(Picture& picture, const ViewRecipe& recipe, Rng& rng);

void flip(Picture& picture);
/// Scales the values by `factor`.
void adjust_brightness(Picture& picture, double factor);
/// Blends with the mean luminance.
void adjust_contrast(Picture& picture, double factor);
/// Blends every pixel with its own luminance (ITU-R 601).
void adjust_saturation(Picture& picture, double factor);
/// Turns the hue by `shift` of the whole circle, in [-0.5, 0.5].
void adjust_hue(Picture& picture, double shift);
/// Gaussian blur, `sigma` in pixels, edges repeated.
void blur(Picture& picture, double sigma);
/// Inverts values from 128 on.
void solarise(Picture& picture);

}  // namespace cairn::image

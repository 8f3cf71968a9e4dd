#pragma once

#include <array>
#include <vector>

#include "cairn/rng.h"
#include "media/picture.h"

namespace cairn::media {

/// What may happen to the colours of a view.
struct Colouring {
  std::array<double, 4> jitter = {0, 0, 0, 0};  // brightness, contrast, saturation, hue
  double jitter_probability = 0.8;
  double grey = 0;
  double blur = 0;
  std::array<double, 2> blur_sigma = {0.1, 2.0};
  double solarise = 0;

  bool operator==(const Colouring&) const = default;
};

/// Colour jitter in random order, grey, blur, solarise, in place. Pictures given equal `rng` are treated alike.
void colour(Picture& picture, const Colouring& colouring, Rng& rng);

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

}  // namespace cairn::media

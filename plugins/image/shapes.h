#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "media/picture.h"

namespace cairn::image {

using media::Picture;

/// How hard the procedural pictures are: shares of the picture's area, pieces of clutter, noise and grating strength.
struct ShapesDifficulty {
  std::array<double, 2> area = {0.12, 0.28};
  std::array<double, 2> clutter = {0, 3};
  double noise = 0.04;
  double texture = 0.06;
};

/// The eight shapes, in the order of their class indices.
const std::vector<std::string>& shape_names();

/// Draws picture `index` of part `part`: one of eight shapes, index mod 8, all of equal area for equal draws. Colour,
/// place, size, rotation, texture, background, clutter and noise are nuisance. Depends only on the arguments.
Picture draw_shape(std::uint64_t seed, std::uint64_t part, std::uint64_t index, int size,
                   const ShapesDifficulty& difficulty);

}  // namespace cairn::image

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "footage.h"

namespace cairn::video {

/// How the procedural films are drawn.
struct FilmSetting {
  int size = 48;
  std::int64_t frames = 16;
  std::array<double, 2> speed = {0.5, 1.0};    // of a motion, in units of one crossing, turn or approach a film
  std::array<double, 2> radius = {0.1, 0.18};  // of a shape, in picture widths
  double noise = 0.02;                         // deviation, of full intensity
};

/// The ten motions, in the order of their class indices.
const std::vector<std::string>& motion_names();

/// Film `index` of part `part`: two shapes on a torus. The class, index mod 10, is how they move: both drift left,
/// right, up or down; both spin; the pair turns about its centre; they meet and turn back, or pass through each other.
/// At every moment place, distance, direction and orientation of the pair are distributed alike in all classes, so that
/// a single frame tells nothing. Depends only on the arguments.
std::unique_ptr<Footage> draw_film(std::uint64_t seed, std::uint64_t part, std::uint64_t index,
                                   const FilmSetting& setting);

}  // namespace cairn::video

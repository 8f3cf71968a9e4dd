#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// What an axis of a token grid means.
enum class Axis : std::uint8_t { time, height, width, frequency, channel, other };

/// The lattice of patches of one view, row-major: {8, 14, 14} over {time, height, width}.
struct CAIRN_API TokenGrid {
  std::vector<std::int64_t> extent;  // tokens along each axis
  std::vector<Axis> axes;            // as many

  /// Number of tokens, the product of the extents.
  std::int64_t count() const;
  /// "8 x 14 x 14", for messages.
  std::string text() const;
  bool operator==(const TokenGrid&) const = default;
};

/// How a modality's views are cut into tokens: the patch extent in samples along every axis.
struct CAIRN_API TokenizerSpec {
  std::int64_t channels = 3;
  std::vector<std::int64_t> patch;  // samples along each axis, such as pixels or frames
  std::vector<Axis> axes;           // as many

  /// Number of input values in one token: channels times the patch's volume.
  std::int64_t values() const;
  /// The grid of a view whose sample extent is `size`; ConfigError if a patch does not divide it, or there
  /// is not one for each axis.
  TokenGrid grid(const std::vector<std::int64_t>& size) const;
  bool operator==(const TokenizerSpec&) const = default;
};

/// "time", "height" and so on.
CAIRN_API const char* axis_name(Axis axis);

}  // namespace cairn

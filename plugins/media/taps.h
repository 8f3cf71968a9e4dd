#pragma once

#include <cstddef>
#include <vector>

#include "media/weigh.h"

namespace cairn::media {

/// The taps of one output sample: `count` weights from `pairs[offset]`, for inputs from `first` on.
struct Tap {
  int first = 0;
  int count = 0;
  std::size_t offset = 0;

  std::size_t pairs() const { return static_cast<std::size_t>(count + 1) / 2; }
};

/// Those of all output samples along one axis.
struct Taps {
  std::vector<Tap> of;
  std::vector<WeightPair> pairs;

  int first() const { return of.front().first; }
  int last() const { return of.back().first + of.back().count; }
};

}  // namespace cairn::media

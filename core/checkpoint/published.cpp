#include "checkpoint/published.h"

#include <cmath>
#include <limits>

namespace cairn {

double exact_ratio(std::int64_t hidden, std::int64_t width) {
  double ratio = static_cast<double>(hidden) / static_cast<double>(width);
  while (static_cast<std::int64_t>(static_cast<double>(width) * ratio) < hidden)
    ratio = std::nextafter(ratio, std::numeric_limits<double>::infinity());
  return ratio;
}

}  // namespace cairn

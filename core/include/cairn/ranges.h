#pragma once

#include <array>
#include <string>

#include "cairn/error.h"

namespace cairn {

/// ConfigError, naming the option `key`, unless the first number of a range is at most the second.
inline void require_order(const std::string& key, const std::array<double, 2>& range) {
  if (range[0] > range[1]) throw ConfigError(key, "the first number is the lower one", "swap the two numbers");
}

}  // namespace cairn

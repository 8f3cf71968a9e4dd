#pragma once

#include <unistd.h>

#include <array>
#include <string>

namespace cairn {

/// What this machine, or its container, is called.
inline std::string host_name() {
  std::array<char, 256> name{"localhost"};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace cairn

#pragma once

#include "cairn/rng.h"

namespace cairn::test {

inline Rng any_rng(std::uint64_t sample = 0) { return {11, Stream::load, 0, sample}; }

}  // namespace cairn::test

#pragma once

#include <cstdint>
#include <vector>

#include "cairn/export.h"
#include "evaluate/features.h"

namespace cairn {

/// The rows of two parts of a data set in one; samples of the second are numbered behind those of the first.
CAIRN_API Features join(const Features& first, const Features& second);

/// The fold, 0 to `folds` - 1, that each row is tested in: folds differ by one sample at most, every class has its
/// share of each, and the rows of one sample stay together. The same for the same seed.
CAIRN_API std::vector<std::int64_t> draw_folds(const Features& features, std::int64_t folds, std::uint64_t seed);

}  // namespace cairn

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cairn/plan.h"
#include "cairn/rng.h"

namespace cairn::media {

using Ids = std::vector<std::int64_t>;
using Mask = std::vector<std::uint8_t>;  // one value a token, row-major

/// The tokens whose value is not 0, ascending.
Ids ids_of(const Mask& mask);

/// What is left out of a row that is too long: its last ids, or random ones.
enum class Cut : std::uint8_t { last, random };

/// One row for each sample, ascending, cut to the shortest, to `most` (0: any number) and, where there are so many, to
/// a multiple of `multiple`: int64 [B,K]. Random cuts draw from `rng`.
TokenSet stack_rows(std::vector<Ids> rows, std::size_t most, Cut cut = Cut::last, Rng* rng = nullptr,
                    std::size_t multiple = 1);

/// One row for each sample, ascending and whole, of unequal lengths: int64 [B,K], K that of the longest. No row is
/// empty.
TokenSet pack_rows(const std::vector<Ids>& rows);

}  // namespace cairn::media

#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cairn/export.h"

namespace cairn {

/// Damerau-Levenshtein distance (optimal string alignment) of two words, in edits.
CAIRN_API std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `word`, if it is at most max(1, length / 3) edits away, whatever the case; else one that is
/// an abbreviation of `word`, or the other way round ("optimizer", "optim"); else empty.
CAIRN_API std::string nearest(std::string_view word, std::span<const std::string> candidates);

/// "did you mean 'x'?", or empty where nothing is near.
CAIRN_API std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

}  // namespace cairn

#pragma once

#include <span>
#include <string>

#include "cairn/batch.h"
#include "cairn/export.h"
#include "cairn/plan.h"

namespace cairn {

/// Holds a plan against the views it is for: references in range, ids in range, equal batch, at least one context and
/// one query, and, unless the plan says otherwise, nothing asked that is seen. Error naming the fault.
CAIRN_API void check_plan(const Plan& plan, std::span<const ViewLayout> views, std::int64_t batch);

/// Tokens of a row of a set of tokens of `grid`, for people: "83", or "62 to 97" where rows are of unequal length.
CAIRN_API std::string count_text(const TokenSet& set, const TokenGrid& grid);

}  // namespace cairn

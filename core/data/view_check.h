#pragma once

#include <cstdint>
#include <vector>

#include "cairn/export.h"
#include "cairn/modality.h"

namespace cairn {

/// What a view of these tokens must be, [B,C,...].
CAIRN_API std::vector<std::int64_t> view_shape(const TokenizerSpec& tokenizer, const TokenGrid& grid,
                                               std::int64_t batch);

/// Holds the prepared views of a batch against what the modality declares: float32 [B,C,...], as long as the grid's
/// tokens together along each axis. Error naming the fault.
CAIRN_API void check_views(const Batch& batch, const Modality& modality);

}  // namespace cairn

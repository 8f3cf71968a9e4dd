#pragma once

#include "cairn/export.h"
#include "cairn/modality.h"

namespace cairn {

/// Holds the prepared views of a batch against what the modality declares: float32 [B,C,...], as long as the grid's
/// tokens together along each axis. Error naming the fault.
CAIRN_API void check_views(const Batch& batch, const Modality& modality);

}  // namespace cairn

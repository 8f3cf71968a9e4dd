#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "cairn/export.h"

namespace cairn {

/// The rows of all processes one after another, [B,...] to [processes * B,...], with gradient. Of one process: `rows`
/// itself.
CAIRN_API at::Tensor gather_rows(const at::Tensor& rows);

/// Where this process's rows begin in what gather_rows() makes of `rows` rows.
CAIRN_API std::int64_t first_gathered_row(std::int64_t rows);

}  // namespace cairn

#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "cairn/batch.h"

namespace cairn {

/// Values of this shape between -1 and 1, as good as random and the same everywhere.
at::Tensor noise(const std::vector<std::int64_t>& shape);

/// A view [1,C,...] of noise, to compare networks with. Of clips two patches along time tell as much as all.
View noise_view(const TokenizerSpec& spec, TokenGrid grid);

}  // namespace cairn

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "evaluate/features.h"
#include "model/branch.h"

namespace cairn {

/// How probes embed a view: the encoder's pooled feature [B,D]; or, with a number of `segments` for each axis of the
/// token grid, the tokens averaged within each of the S segments, side by side [B,S*D]. A mean over the whole of a clip
/// forgets the order of things in time. Borrows the branch. Error where
/// an encoder has not one token for each patch.
CAIRN_API Embed branch_embedding(Branch& branch, std::vector<std::int64_t> segments);

/// Tokens [B,N,D] on their grid, [B,D,...]. Error, beginning with `who` ("--task boxes needs"), where there is not one
/// token for each patch.
CAIRN_API at::Tensor token_lattice(const at::Tensor& tokens, const TokenGrid& grid, const std::string& who);

}  // namespace cairn

#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "cairn/export.h"

namespace cairn {

/// The first `count` principal directions of rows [N,D], as scores float64 [N,count]; zeros beyond D. Each direction
/// points where its largest part is positive.
CAIRN_API at::Tensor principal_scores(const at::Tensor& rows, std::int64_t count);

inline constexpr std::int64_t kFewestForTsne = 8;  // rows

/// Rows [N,D] on a plane, float64 [N,2], by exact t-SNE (van der Maaten and Hinton 2008): near rows stay near. Of
/// perplexity min(30, N/4), begun at the two principal directions, so that the same rows give the same plane. The work
/// grows with N²: for some hundred rows. Error with fewer than kFewestForTsne rows.
CAIRN_API at::Tensor tsne(const at::Tensor& rows);

}  // namespace cairn

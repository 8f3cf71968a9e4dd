#pragma once

#include <ATen/core/Tensor.h>

#include "cairn/export.h"

namespace cairn {

/// Mean over the dimensions of the deviation over the rows of the layer-normed rows of `x` [N,D]: near 0 when the
/// features have collapsed to a point, near 1 when they are spread. Error on fewer than two rows or non-finite values.
CAIRN_API double feature_std(const at::Tensor& x);

/// exp(entropy of the squared singular values, normalised to sum 1) of the centred features [N,D]: how many directions
/// the features vary in. 1 for features that are all alike. Dominated by the largest directions, so it falls early in a
/// collapse.
CAIRN_API double effective_rank(const at::Tensor& x);

/// RankMe (Garrido et al. 2023, equation 1): exp(entropy of the singular values, normalised to sum 1, + 1e-7) of the
/// features as they are [N,D], not centred. Larger than effective_rank(), and the one the literature compares.
CAIRN_API double rankme(const at::Tensor& x);

/// How much of the variance of tokens two things explain that cost a predictor nothing.
struct ShortcutShare {
  double position = 0.0;  // share of the mean over samples at each position
  double sample = 0.0;    // share of the mean over the positions of each sample
  double both = 0.0;      // position + sample: they are orthogonal. 1 for constant tokens
};

/// The share for tokens [B,N,D]: a small loss with a share near 1 is failure, not success.
CAIRN_API ShortcutShare shortcut_share(const at::Tensor& tokens);

}  // namespace cairn

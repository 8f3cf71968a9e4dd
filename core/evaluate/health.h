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

/// LiDAR (Thilak et al. 2023, section 3): exp(entropy of the eigenvalues of Sw^-1/2 Sb Sw^-1/2, normalised to sum 1,
/// + 1e-7) for embeddings [N,Q,D] of Q augmented views of N samples. Sb is the covariance of the samples' means, Sw the
/// mean covariance of the views round them, + 1e-4 on its diagonal. At most N - 1: take N well above the rank expected.
CAIRN_API double lidar(const at::Tensor& views);

/// alpha-ReQ (Agrawal et al. 2022, section 2): the exponent a of the power law i^-a that the eigenvalues of the
/// covariance of the features [N,D] follow, by least squares of their logarithm over log i; those below 1e-10 of the
/// largest are left out. Near 1 is held to be best; large when few directions hold the variance. 0 with fewer than two.
CAIRN_API double alpha_req(const at::Tensor& x);

/// Mean cosine between the predictions [M,D] and the mean of the targets [M,D]: near 1 when the predictor gives the
/// average answer whatever it is asked.
CAIRN_API double prediction_cosine(const at::Tensor& predictions, const at::Tensor& targets);

/// Mean over the dimensions of the variance of targets [M,D] over the rows.
CAIRN_API double target_variance(const at::Tensor& targets);

/// How much of the variance of tokens two things explain that cost a predictor nothing.
struct ShortcutShare {
  double position = 0.0;  // share of the mean over samples at each position
  double sample = 0.0;    // share of the mean over the positions of each sample
  double both = 0.0;      // position + sample: they are orthogonal. 1 for constant tokens
};

/// The share for tokens [B,N,D]: a small loss with a share near 1 is failure, not success.
CAIRN_API ShortcutShare shortcut_share(const at::Tensor& tokens);

}  // namespace cairn

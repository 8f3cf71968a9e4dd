#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// Share of guesses that are right, both int64 [N].
CAIRN_API double accuracy(const at::Tensor& guess, const at::Tensor& truth);

/// int64 [classes,classes]: samples by true class and guess.
CAIRN_API at::Tensor confusion(const at::Tensor& guess, const at::Tensor& truth, std::int64_t classes);

/// Mean over the recall steps of the precision, of scores [N] for truth [N] of 0 and 1: scikit-learn's
/// average_precision_score. Equal scores count as one threshold. 0 where nothing is true.
CAIRN_API double average_precision(const at::Tensor& scores, const at::Tensor& truth);

/// Mean of average_precision() over the columns of scores [N,C] whose truth [N,C] holds a 1: mAP as for AudioSet.
CAIRN_API double mean_average_precision(const at::Tensor& scores, const at::Tensor& truth);

/// Share of the variance of truth [N,K] that predictions [N,K] explain (R^2), of each column. A constant column
/// counts as 0.
CAIRN_API std::vector<double> explained_variance(const at::Tensor& predictions, const at::Tensor& truth);

/// Mean absolute error of predictions [N,K], of each column.
CAIRN_API std::vector<double> absolute_error(const at::Tensor& predictions, const at::Tensor& truth);

/// A box in a frame, edges as shares of width and height.
struct FrameBox {
  std::int64_t frame = 0;
  std::array<double, 4> edges = {0, 0, 1, 1};  // left, top, right, bottom
};

/// Overlap over union of two boxes of one frame; 0 for boxes of different frames.
CAIRN_API double overlap(const FrameBox& a, const FrameBox& b);

/// Frame mAP as for AVA (Gu et al. 2018): of each class that occurs, detections in the order of their scores are
/// matched with true boxes of their frame that overlap by `threshold` or more and are not taken yet; the area under the
/// precision over recall, made monotone, is averaged over the classes. `scores` [N,C] of `boxes` [N], `truth` [M,C] of
/// 0 and 1 of `true_boxes` [M].
CAIRN_API double frame_map(const std::vector<FrameBox>& boxes, const at::Tensor& scores,
                           const std::vector<FrameBox>& true_boxes, const at::Tensor& truth, double threshold = 0.5);

}  // namespace cairn

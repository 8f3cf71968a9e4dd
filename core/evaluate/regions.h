#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "cairn/batch.h"
#include "cairn/export.h"
#include "evaluate/features.h"
#include "evaluate/metrics.h"
#include "evaluate/significance.h"
#include "model/branch.h"

namespace cairn {

/// The boxes of the samples of a batch.
struct Regions {
  at::Tensor row;     // int64 [K]: whose box it is
  at::Tensor edges;   // float [K,4]: left, top, right, bottom, as shares of width and height
  at::Tensor labels;  // float [K,C] of 0 and 1
};

/// Boxes that samples carry in Sample::extra: `boxes` [B,M,4] and `box_labels` [B,M,C], where rows of NaN are none.
/// DataError where samples carry no boxes.
CAIRN_API Regions regions_of(const Batch& batch);

/// What tokens [B,N,D] of a view show of each box, [K, side*side, D]: tokens are averaged over every axis but height
/// and width, and read at `side` x `side` cells of the box, each the mean of 2 x 2 points between tokens (RoIAlign, He
/// et al. 2017; so SlowFast, Feichtenhofer et al. 2019, pools for AVA before it takes the maximum of the cells). Error
/// where there is not one token for each patch, or no height and width.
CAIRN_API at::Tensor align_regions(const at::Tensor& tokens, const TokenGrid& grid, const Regions& regions,
                                   std::int64_t side = 7);

/// Turns a prepared view and its boxes into features [K,D].
using EmbedRegions = std::function<at::Tensor(const View&, const Regions&)>;

/// align_regions() of a branch's tokens: its `cells` side by side [K, S*D], as attentive probes want them, or the
/// largest value of each feature [K,D]. Borrows the branch.
CAIRN_API EmbedRegions region_embedding(Branch& branch, bool cells);

/// Frozen features of boxes: rows of `features` are those of `boxes`, whose frame is the sample's index.
struct RegionFeatures {
  Features features;
  std::vector<FrameBox> boxes;
};

/// Features of all boxes of the readable samples, computed without gradient.
CAIRN_API RegionFeatures collect_regions(SampleReader& reader, const EmbedRegions& embed, at::Device device,
                                         std::int64_t workers);

/// Frame mAP of answers [N,C] for given boxes of which `truth` [N,C] is known, with the bootstrap over the frames.
CAIRN_API Interval frame_map_interval(const std::vector<FrameBox>& boxes, const at::Tensor& answers,
                                      const at::Tensor& truth, std::uint64_t seed);

}  // namespace cairn

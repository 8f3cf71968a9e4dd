#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace cairn::video {

/// Which frame of its film each frame of a clip [C,T,H,W] is, where frame i has the red value `step` i in `column` of
/// the first line.
inline std::vector<int> clip_frames_by_red(const at::Tensor& clip, int step, std::int64_t column = 0) {
  std::vector<int> frames;
  for (std::int64_t t = 0; t < clip.size(1); ++t) frames.push_back(clip[0][t][0][column].item<int>() / step);
  return frames;
}

}  // namespace cairn::video

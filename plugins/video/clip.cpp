#include "clip.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cairn/error.h"
#include "media/crop.h"

namespace cairn::video {
namespace {

constexpr double kSlack = 1e-3;  // seconds by which a frame may come late and still be the one that is shown

/// The last frame in [first, end) that is shown at `seconds`.
std::int64_t frame_at(const Footage& footage, std::int64_t first, std::int64_t end, double seconds) {
  std::int64_t low = first, high = end - 1;
  while (low < high) {
    const std::int64_t middle = (low + high + 1) / 2;
    (footage.time(middle) <= seconds + kSlack ? low : high) =
        footage.time(middle) <= seconds + kSlack ? middle : middle - 1;
  }
  return low;
}

}  // namespace

StartRange start_range(const Footage& footage, const ClipTiming& timing, std::int64_t part, std::int64_t parts) {
  const std::int64_t count = footage.frames();
  StartRange range;
  range.first = std::min(count * part / parts, count - 1);
  range.end = std::max(count * (part + 1) / parts, range.first + 1);
  if (timing.fps > 0) {
    const double latest = footage.time(range.end - 1) - static_cast<double>(timing.frames - 1) / timing.fps;
    range.last = frame_at(footage, range.first, range.end, latest);
  } else {
    range.last = std::max(range.first, range.end - ((timing.frames - 1) * timing.step + 1));
  }
  return range;
}

std::vector<std::int64_t> clip_frames(const Footage& footage, const ClipTiming& timing, std::int64_t start,
                                      std::int64_t end) {
  std::vector<std::int64_t> frames;
  start = std::min(start, end - 1);
  for (std::int64_t i = 0; i < timing.frames; ++i)
    frames.push_back(timing.fps > 0
                         ? frame_at(footage, start, end, footage.time(start) + static_cast<double>(i) / timing.fps)
                         : std::min(start + i * timing.step, end - 1));
  return frames;
}

std::vector<std::int64_t> frames_about(const Footage& footage, const ClipTiming& timing, double seconds) {
  const std::int64_t count = footage.frames();
  const double last = footage.time(count - 1), pace = count > 1 ? last / static_cast<double>(count - 1) : 0;
  if (seconds < -kSlack || seconds > last + pace + kSlack)
    throw DataError(fmt::format("there is no second {:g} in the video's {:g}", seconds, last + pace), "",
                    "check modality.first_second and the table");
  const std::int64_t centre = frame_at(footage, 0, count, seconds), half = timing.frames / 2;
  std::vector<std::int64_t> frames;
  for (std::int64_t i = -half; i < timing.frames - half; ++i)
    frames.push_back(timing.fps > 0 ? frame_at(footage, 0, count, seconds + static_cast<double>(i) / timing.fps)
                                    : std::clamp<std::int64_t>(centre + i * timing.step, 0, count - 1));
  return frames;
}

media::Picture ClipCropper::crop(const Frame& frame) {
  if (!resampler_ || !(frame.extent() == extent_)) prepare(frame.extent());
  const media::Window& area = resampler_->area();
  return resampler_->apply(frame.part(area), area.left, area.top);
}

void ClipCropper::prepare(media::Extent extent) {
  extent_ = extent;
  const double width = extent.width, height = extent.height;
  if (shape_.framing == Framing::whole) share_ = {0, 0, 1, 1};
  if (shape_.framing == Framing::centre) {
    resampler_ = media::crop_resampler(extent, shape_.resize, shape_.size, shape_.interpolation, shape_.along);
    return;
  }
  if (!share_) {
    const media::Box box = media::draw_crop(extent, shape_.crop_scale, shape_.crop_ratio, rng_);
    share_ = {box.left / width, box.top / height, box.right / width, box.bottom / height};
  }
  const media::Box box = {share_->left * width, share_->top * height, share_->right * width, share_->bottom * height};
  resampler_.emplace(extent, box, media::Extent{shape_.size, shape_.size},
                     media::Window{0, 0, shape_.size, shape_.size}, shape_.interpolation);
}

}  // namespace cairn::video

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "cairn/rng.h"
#include "footage.h"
#include "media/resample.h"

namespace cairn::video {

/// Which frames of a video make a clip.
struct ClipTiming {
  std::int64_t frames = 16;
  std::int64_t step = 4;  // frames from one to the next
  double fps = 0;         // frames a second, by time stamps; 0: step counts
};

/// Part `part` of `parts` equal parts of a video, as the range of starts that a clip may have in it. A part that is too
/// short has one start, its first frame.
struct StartRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::int64_t end = 0;  // behind the last frame of the part
};
StartRange start_range(const Footage& footage, const ClipTiming& timing, std::int64_t part, std::int64_t parts);

/// The frames of the clip that begins at frame `start`; the last frame before `end` fills what is missing.
std::vector<std::int64_t> clip_frames(const Footage& footage, const ClipTiming& timing, std::int64_t start,
                                      std::int64_t end);

/// The frames of the clip whose frame n / 2, of n, is the one shown at `seconds`, as Feichtenhofer et al. (2019) cut
/// clips for AVA; the first and the last frame fill what is missing. DataError if the video is not that long.
std::vector<std::int64_t> frames_about(const Footage& footage, const ClipTiming& timing, double seconds);

/// Which part of the frames a clip shows: a square of the short side, the same random crop of all, or everything,
/// squeezed.
enum class Framing : std::uint8_t { centre, random, whole };

/// How the frames of a clip become views.
struct ClipShape {
  int size = 224;
  int resize = 224;  // short side before the central crop
  media::Interpolation interpolation = media::Interpolation::bilinear;
  Framing framing = Framing::centre;
  double along = 0.5;  // where on the long side the square lies: 0 at its beginning, 1 at its end
  std::array<double, 2> crop_scale = {0.3, 1.0};
  std::array<double, 2> crop_ratio = {0.75, 1.35};
};

/// Crops and resizes all frames of one clip alike.
class ClipCropper {
 public:
  ClipCropper(const ClipShape& shape, Rng rng) : shape_(shape), rng_(rng) {}

  /// [size,size] of the frame. The first frame decides on the crop; later ones of other dimensions are cropped in
  /// proportion.
  media::Picture crop(const Frame& frame);

 private:
  void prepare(media::Extent extent);

  ClipShape shape_;
  Rng rng_;
  std::optional<media::Box> share_;  // of width and height, once drawn
  media::Extent extent_;
  std::optional<media::Resampler> resampler_;
};

}  // namespace cairn::video

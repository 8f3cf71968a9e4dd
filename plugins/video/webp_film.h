#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "deadline.h"
#include "footage.h"
#include "video_file.h"

namespace cairn::video {

/// Whether a video is a WebP with several frames, by its header.
bool is_animated_webp(const VideoInput& input);

/// An animated WebP. Frames are composed from the start, since each may show what the one before it left; what stays
/// transparent shows the colour beneath, as in pictures.
class WebpFilm : public Footage {
 public:
  /// DataError if the file is damaged or truncated.
  WebpFilm(const VideoInput& input, const ReadLimits& limits);

  std::int64_t frames() const override { return static_cast<std::int64_t>(starts_.size()); }
  double time(std::int64_t index) const override { return starts_.at(static_cast<std::size_t>(index)); }
  void read(std::span<const std::int64_t> wanted, const Take& take) override;

 private:
  std::string name_;
  Deadline deadline_;
  std::vector<std::uint8_t> bytes_;
  std::vector<double> starts_;  // of the frames, in seconds
};

}  // namespace cairn::video

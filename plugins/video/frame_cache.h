#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "footage.h"
#include "media/decode_cache.h"

namespace cairn::video {

/// Every frame of a video as it was decoded, with its time.
struct HeldVideo {
  std::vector<std::unique_ptr<Frame>> frames;
  std::vector<double> times;  // seconds after the first
};

/// A HeldVideo as footage: reading costs no decoding.
class HeldFootage : public Footage {
 public:
  explicit HeldFootage(std::shared_ptr<const HeldVideo> video) : video_(std::move(video)) {}

  std::int64_t frames() const override { return static_cast<std::int64_t>(video_->frames.size()); }
  double time(std::int64_t index) const override { return video_->times.at(static_cast<std::size_t>(index)); }
  void read(std::span<const std::int64_t> wanted, const Take& take) override;

 private:
  std::shared_ptr<const HeldVideo> video_;
};

/// Decoded videos by sample.
class FrameCache : public media::DecodeCache<HeldVideo> {
 public:
  using DecodeCache::DecodeCache;

  /// Decodes all frames of a video and keeps them; null where there is no room, or where one cannot be decoded.
  std::shared_ptr<const HeldVideo> hold(std::int64_t sample, Footage& footage);
};

}  // namespace cairn::video

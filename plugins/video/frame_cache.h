#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "footage.h"

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

/// Decoded videos by sample, kept as long as there is room: with samples in random order, throwing out old ones for new
/// ones would find no more of them. Thread-safe.
class FrameCache {
 public:
  explicit FrameCache(std::size_t most_bytes) : room_(most_bytes) {}

  /// The video, where it is here.
  std::shared_ptr<const HeldVideo> find(std::int64_t sample) const;
  /// Whether a video that is not here should be offered.
  bool wants(std::int64_t sample) const;
  /// Decodes all frames of a video and keeps them; null where there is no room, or where one cannot be decoded.
  std::shared_ptr<const HeldVideo> hold(std::int64_t sample, Footage& footage);

 private:
  mutable std::mutex mutex_;
  std::map<std::int64_t, std::shared_ptr<const HeldVideo>> videos_;  // null: cannot be kept
  std::size_t room_;                                                 // bytes that are left
  bool is_full_ = false;
};

}  // namespace cairn::video

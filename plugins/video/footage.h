#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cairn/modality.h"
#include "media/resample.h"

namespace cairn::video {

/// One frame of a video, not yet turned into pixels.
class Frame {
 public:
  virtual ~Frame() = default;

  /// Upright.
  virtual media::Extent extent() const = 0;
  /// The pixels of a rectangle that lies in the frame.
  virtual media::Picture part(const media::Window& area) const = 0;
  /// The same frame, for as long as it is wanted.
  virtual std::unique_ptr<Frame> keep() const = 0;
  /// Of memory.
  virtual std::size_t bytes() const = 0;
};

/// A frame in memory.
class PictureFrame : public Frame {
 public:
  explicit PictureFrame(media::Picture picture) : picture_(std::move(picture)) {}

  media::Extent extent() const override { return picture_.extent(); }
  media::Picture part(const media::Window& area) const override { return media::cut(picture_, area); }
  std::unique_ptr<Frame> keep() const override { return std::make_unique<PictureFrame>(picture_); }
  std::size_t bytes() const override { return picture_.rgb.size(); }

 private:
  media::Picture picture_;
};

/// A video whose frames are counted in display order from 0, whatever their time stamps.
class Footage {
 public:
  using Take = std::function<void(std::size_t slot, const Frame& frame)>;

  virtual ~Footage() = default;

  virtual std::int64_t frames() const = 0;
  /// When a frame is shown, in seconds after the first.
  virtual double time(std::int64_t index) const = 0;
  /// Hands out the frames of `wanted`, which ascend, each once. DataError if one cannot be decoded.
  virtual void read(std::span<const std::int64_t> wanted, const Take& take) = 0;
  /// Counts the frames by decoding them all, for files whose headers promised other frames than there are. False where
  /// that was done already, or makes no sense.
  virtual bool recount() { return false; }
};

/// One part of a data set: videos by index, from wherever they come. open() is called from several threads at once.
class FootageSet {
 public:
  virtual ~FootageSet() = default;

  virtual std::int64_t size() const = 0;
  /// -1 where unknown.
  virtual std::int64_t label(std::int64_t index) const = 0;
  virtual std::string name(std::int64_t index) const = 0;
  /// DataError if it cannot be read.
  virtual std::unique_ptr<Footage> open(std::int64_t index) const = 0;
  /// Empty when the samples carry no labels.
  virtual std::vector<std::string> classes() const = 0;
  virtual ReadOrder read_order() const { return {}; }
  /// The second of the video that the clip is about; none: any clip will do.
  virtual std::optional<double> moment(std::int64_t) const { return std::nullopt; }
  /// What else is known of a sample when features are evaluated, for Sample::extra.
  virtual std::map<std::string, at::Tensor> facts(std::int64_t) const { return {}; }
};

}  // namespace cairn::video

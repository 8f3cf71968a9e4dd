#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "deadline.h"
#include "footage.h"
#include "media/ffmpeg.h"
#include "video_input.h"

namespace cairn::video {

/// A place where decoding can begin.
struct KeyFrame {
  std::int64_t pts = 0;
  std::int64_t dts = AV_NOPTS_VALUE;
};

/// What is known of a file's frames after reading its packets once (or, where they tell too little, decoding it once).
struct VideoIndex {
  std::vector<std::int64_t> stamps;  // of the shown frames, in display order
  std::vector<KeyFrame> keys;        // by ascending pts
  double tick = 0;                   // seconds of one unit of the stamps
  int delay = 0;                     // frames that a decoder must hold back to put them in order
  bool counted = false;              // frames are found by counting from the start, not by their stamps

  std::size_t bytes() const { return sizeof *this + 8 * stamps.size() + sizeof(KeyFrame) * keys.size(); }
};

/// 8K with room: a header that claims more is taken for damage.
inline constexpr std::int64_t kMostPixels = 8192 * 8192;

struct ReadLimits {
  double seconds = 60;  // for everything that is done with one file
  int threads = 1;      // of the decoder
};

/// A video file. Frames are exact: seeking goes to the key frame before a wanted frame and matches frames by the stamps
/// of their packets; where a container gives no dependable stamps, frames are counted from the start. One thread at a
/// time.
class VideoFile : public Footage {
 public:
  /// Reads the packets, unless `known` is the index of this file. DataError if it holds no video that can be read.
  VideoFile(VideoInput input, const ReadLimits& limits, std::shared_ptr<const VideoIndex> known = nullptr);
  ~VideoFile() override;

  std::int64_t frames() const override { return static_cast<std::int64_t>(index_->stamps.size()); }
  double time(std::int64_t index) const override;
  void read(std::span<const std::int64_t> wanted, const Take& take) override;
  bool recount() override;

  std::shared_ptr<const VideoIndex> index() const { return index_; }

 private:
  class Demuxer;
  class Decoder;

  std::unique_ptr<Demuxer> open() const;
  std::shared_ptr<const VideoIndex> count_all();
  /// The last key frame that is shown no later than a frame.
  const KeyFrame& key_before(std::int64_t frame) const;
  void read_by_stamps(std::span<const std::int64_t> wanted, const Take& take);
  /// Frames that are all reached from one key frame.
  void read_from(const KeyFrame& key, std::span<const std::int64_t> wanted, Decoder& decoder, const Take& take);
  void read_by_counting(std::span<const std::int64_t> wanted, const Take& take);

  VideoInput input_;
  ReadLimits limits_;
  Deadline deadline_;
  std::shared_ptr<const VideoIndex> index_;
  std::unique_ptr<Demuxer> demuxer_;
};

}  // namespace cairn::video

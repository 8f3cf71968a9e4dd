#include "frame_cache.h"

#include <numeric>

namespace cairn::video {
namespace {

/// Of all frames, were they as large as the first; 0 where that one is damaged.
std::size_t expected_bytes(Footage& footage) {
  std::size_t first = 0;
  try {
    footage.read(std::vector<std::int64_t>{0}, [&](std::size_t, const Frame& frame) { first = frame.bytes(); });
  } catch (const DataError&) {
    // Decoding them all will meet it again.
  }
  return first * static_cast<std::size_t>(footage.frames());
}

std::shared_ptr<const HeldVideo> decode_all(Footage& footage) {
  auto video = std::make_shared<HeldVideo>();
  std::vector<std::int64_t> all(static_cast<std::size_t>(footage.frames()));
  std::iota(all.begin(), all.end(), 0);
  video->frames.resize(all.size());
  footage.read(all, [&](std::size_t slot, const Frame& frame) { video->frames[slot] = frame.keep(); });
  for (const std::int64_t index : all) video->times.push_back(footage.time(index));
  return video;
}

}  // namespace

void HeldFootage::read(std::span<const std::int64_t> wanted, const Take& take) {
  for (std::size_t slot = 0; slot < wanted.size(); ++slot)
    take(slot, *video_->frames.at(static_cast<std::size_t>(wanted[slot])));
}

std::shared_ptr<const HeldVideo> FrameCache::hold(std::int64_t sample, Footage& footage) {
  return DecodeCache::hold(sample, expected_bytes(footage), [&] { return decode_all(footage); });
}

}  // namespace cairn::video

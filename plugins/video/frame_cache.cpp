#include "frame_cache.h"

#include <numeric>
#include <utility>

#include "cairn/error.h"

namespace cairn::video {
namespace {

/// Of all frames, were they as large as the first.
std::size_t expected_bytes(Footage& footage) {
  std::size_t first = 0;
  footage.read(std::vector<std::int64_t>{0}, [&](std::size_t, const Frame& frame) { first = frame.bytes(); });
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

std::shared_ptr<const HeldVideo> FrameCache::find(std::int64_t sample) const {
  const std::lock_guard lock(mutex_);
  const auto found = videos_.find(sample);
  return found == videos_.end() ? nullptr : found->second;
}

bool FrameCache::wants(std::int64_t sample) const {
  const std::lock_guard lock(mutex_);
  return !is_full_ && room_ > 0 && !videos_.contains(sample);
}

std::shared_ptr<const HeldVideo> FrameCache::hold(std::int64_t sample, Footage& footage) {
  std::shared_ptr<const HeldVideo> video;
  std::size_t bytes = 0;
  try {
    bytes = expected_bytes(footage);
    {
      const std::lock_guard lock(mutex_);
      is_full_ = is_full_ || bytes > room_;
      if (is_full_ || videos_.contains(sample)) return nullptr;
      room_ -= bytes;
      videos_.emplace(sample, nullptr);  // what other threads are told meanwhile
    }
    video = decode_all(footage);
  } catch (const DataError&) {
    // Clips that avoid the damage can still be read one by one.
  }
  const std::lock_guard lock(mutex_);
  videos_[sample] = video;
  if (!video) room_ += bytes;
  return video;
}

}  // namespace cairn::video

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "cairn/error.h"

namespace cairn::media {

/// What was decoded, by key, kept as long as there is room: with samples in random order, throwing out old ones for new
/// ones would find no more of them. Thread-safe.
template <class T>
class DecodeCache {
 public:
  explicit DecodeCache(std::size_t most_bytes) : room_(most_bytes) {}

  /// Null where it is not here.
  std::shared_ptr<const T> find(std::int64_t key) const {
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(key);
    return found == held_.end() ? nullptr : found->second;
  }

  /// Whether something that is not here should be offered: not after something found no room.
  bool wants(std::int64_t key) const {
    const std::lock_guard lock(mutex_);
    return !is_full_ && room_ > 0 && !held_.contains(key);
  }

  /// Decodes and keeps what takes `bytes`. Null where there is no room for it, it cannot be decoded (DataError), or
  /// another thread is at it.
  template <class Decode>
  std::shared_ptr<const T> hold(std::int64_t key, std::size_t bytes, const Decode& decode) {
    if (!reserve(key, bytes)) return nullptr;
    std::shared_ptr<const T> made;
    try {
      made = decode();
    } catch (const DataError&) {
      // What avoids the damage may still be read.
    }
    const std::lock_guard lock(mutex_);
    held_[key] = made;
    if (!made) room_ += bytes;
    return made;
  }

 private:
  bool reserve(std::int64_t key, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    is_full_ = is_full_ || bytes > room_;
    if (is_full_ || !held_.emplace(key, nullptr).second) return false;
    room_ -= bytes;
    return true;
  }

  mutable std::mutex mutex_;
  std::map<std::int64_t, std::shared_ptr<const T>> held_;  // null: cannot be decoded, or is about to be
  std::size_t room_;                                       // bytes that are left
  bool is_full_ = false;
};

}  // namespace cairn::media

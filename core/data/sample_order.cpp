#include "data/sample_order.h"

#include "cairn/rng.h"

namespace cairn {

std::shared_ptr<const std::vector<std::int64_t>> SampleOrder::order_of(std::int64_t epoch) {
  const std::lock_guard lock(mutex_);
  const int slot = static_cast<int>(epoch % 2);  // workers straddle at most two epochs
  if (cached_epoch_[slot] != epoch) {
    Rng rng(seed_, Stream::shuffle, static_cast<std::uint64_t>(epoch));
    cached_[slot] = std::make_shared<const std::vector<std::int64_t>>(rng.permutation(size_));
    cached_epoch_[slot] = epoch;
  }
  return cached_[slot];
}

std::int64_t SampleOrder::index(std::int64_t position) {
  return (*order_of(epoch(position)))[static_cast<std::size_t>(position % size_)];
}

}  // namespace cairn

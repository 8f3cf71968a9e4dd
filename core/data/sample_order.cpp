#include "data/sample_order.h"

#include <algorithm>
#include <utility>

#include "cairn/rng.h"

namespace cairn {
namespace {

/// Runs in random order; a sample's place is its run's plus a random share of `mixed` runs.
std::vector<std::int64_t> mixed_runs(std::int64_t size, const ReadOrder& reading, Rng& rng) {
  const std::vector<std::int64_t> places = rng.permutation((size + reading.run - 1) / reading.run);
  std::vector<std::pair<std::uint64_t, std::int64_t>> samples;
  for (std::int64_t i = 0; i < size; ++i) {
    const auto place = static_cast<std::uint64_t>(places[static_cast<std::size_t>(i / reading.run)]);
    samples.emplace_back((place << 32) + static_cast<std::uint64_t>(reading.mixed) * rng.bits(), i);
  }
  std::sort(samples.begin(), samples.end());
  std::vector<std::int64_t> order;
  for (const auto& [place, index] : samples) order.push_back(index);
  return order;
}

}  // namespace

std::shared_ptr<const std::vector<std::int64_t>> SampleOrder::order_of(std::int64_t epoch) {
  const std::lock_guard lock(mutex_);
  const int slot = static_cast<int>(epoch % 2);  // workers straddle at most two epochs
  if (cached_epoch_[slot] != epoch) {
    Rng rng(seed_, Stream::shuffle, static_cast<std::uint64_t>(epoch));
    cached_[slot] = std::make_shared<const std::vector<std::int64_t>>(
        reading_.run > 1 ? mixed_runs(size_, reading_, rng) : rng.permutation(size_));
    cached_epoch_[slot] = epoch;
  }
  return cached_[slot];
}

std::int64_t SampleOrder::index(std::int64_t position) {
  return (*order_of(epoch(position)))[static_cast<std::size_t>(position % size_)];
}

}  // namespace cairn

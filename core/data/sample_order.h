#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "cairn/export.h"
#include "cairn/modality.h"

namespace cairn {

/// Which sample stands at which position of an endless, shuffled walk over a data set: a new order every epoch, the
/// same for the same seed, wherever one starts. Where samples are read in runs, runs are shuffled, and each sample
/// moves back from the place of its run by up to `mixed` of them: at any time that many runs are in use.
class CAIRN_API SampleOrder {
 public:
  SampleOrder(std::uint64_t seed, std::int64_t size, ReadOrder reading = {})
      : seed_(seed), size_(size), reading_(reading) {}

  std::int64_t epoch(std::int64_t position) const { return position / size_; }
  /// Thread-safe.
  std::int64_t index(std::int64_t position);

 private:
  std::shared_ptr<const std::vector<std::int64_t>> order_of(std::int64_t epoch);

  std::uint64_t seed_;
  std::int64_t size_;
  ReadOrder reading_;
  std::mutex mutex_;
  std::int64_t cached_epoch_[2] = {-1, -1};
  std::shared_ptr<const std::vector<std::int64_t>> cached_[2];
};

}  // namespace cairn

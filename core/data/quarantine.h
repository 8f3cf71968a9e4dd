#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "cairn/error.h"
#include "cairn/export.h"

namespace cairn {

/// A sample that could not be read, and why.
struct BadSample {
  std::int64_t index = 0;
  std::string name;
  std::string reason;
};

/// Share of unreadable samples that stops a run where nothing says otherwise.
inline constexpr double kUsualBadShare = 0.05;

/// A share of fewer samples than this says nothing yet.
inline constexpr std::int64_t kSmallestBasis = 200;

/// Whether `bad` are more than `max_share` of `all` samples.
inline bool is_too_many(std::int64_t bad, std::int64_t all, double max_share) {
  return static_cast<double>(bad) > max_share * static_cast<double>(all);
}

/// What to throw once `bad` of the samples tried, `last` among them, are more than `option` allows.
CAIRN_API DataError too_many_bad(std::int64_t bad, std::int64_t tried, double max_share, const BadSample& last,
                                 const std::string& option = "modality.max_bad_share");

/// Counts unreadable samples and stops a run that has too many of them. Thread-safe.
class CAIRN_API Quarantine {
 public:
  Quarantine(std::int64_t data_size, double max_share) : size_(data_size), max_share_(max_share) {}

  void note_read() { tried_.fetch_add(1, std::memory_order_relaxed); }
  /// DataError once the unreadable share of what was tried is over the limit.
  void add(BadSample sample);
  bool holds(std::int64_t index) const;
  /// What was added since the last call.
  std::vector<BadSample> take_new();
  std::int64_t count() const;

 private:
  std::int64_t size_;
  double max_share_;
  std::atomic<std::int64_t> tried_ = 0;
  std::atomic<bool> any_ = false;  // so that a sample of a sound data set costs no lock
  mutable std::mutex mutex_;
  std::map<std::int64_t, std::string> bad_;
  std::vector<BadSample> fresh_;
};

}  // namespace cairn

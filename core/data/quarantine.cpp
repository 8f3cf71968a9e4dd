#include "data/quarantine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cairn/error.h"

namespace cairn {

std::string too_many_bad(std::size_t bad, std::size_t all, double max_share) {
  if (static_cast<double>(bad) <= max_share * static_cast<double>(all)) return "";
  return fmt::format("{} of {} samples cannot be read, more than modality.max_bad_share = {} allows", bad, all,
                     max_share);
}

void Quarantine::add(BadSample sample) {
  const std::lock_guard lock(mutex_);
  if (!bad_.emplace(sample.index, sample.reason).second) return;
  any_ = true;
  fresh_.push_back(sample);
  const auto bad = static_cast<std::int64_t>(bad_.size());
  const std::int64_t tried = std::min(size_, std::max(tried_.load() + bad, kSmallestBasis));
  if (static_cast<double>(bad) <= max_share_ * static_cast<double>(tried)) return;
  throw DataError(
      fmt::format("{} of the first {} samples cannot be read, more than modality.max_bad_share = {} allows; "
                  "the last one: {} ({})",
                  bad, std::min(size_, std::max(tried_.load() + bad, bad)), max_share_, sample.name, sample.reason),
      "", "mend or remove the files named above (in a run folder: quarantine.txt), or raise modality.max_bad_share");
}

bool Quarantine::holds(std::int64_t index) const {
  if (!any_) return false;
  const std::lock_guard lock(mutex_);
  return bad_.contains(index);
}

std::vector<BadSample> Quarantine::take_new() {
  const std::lock_guard lock(mutex_);
  return std::exchange(fresh_, {});
}

std::int64_t Quarantine::count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::int64_t>(bad_.size());
}

}  // namespace cairn

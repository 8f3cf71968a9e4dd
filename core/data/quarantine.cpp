#include "data/quarantine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace cairn {

DataError too_many_bad(std::int64_t bad, std::int64_t tried, double max_share, const BadSample& last,
                       const std::string& option) {
  const bool names_itself = last.reason.starts_with(last.name);
  return DataError(
      fmt::format("{} of the {} samples tried cannot be read, more than {} = {} allows; the last one: {}", bad, tried,
                  option, max_share, names_itself ? last.reason : fmt::format("{} ({})", last.name, last.reason)),
      "", "mend or remove what cannot be read, or raise " + option);
}

void Quarantine::add(BadSample sample) {
  const std::lock_guard lock(mutex_);
  if (!bad_.emplace(sample.index, sample.reason).second) return;
  any_ = true;
  fresh_.push_back(sample);
  const auto bad = static_cast<std::int64_t>(bad_.size());
  const std::int64_t tried = std::min(size_, std::max(tried_.load() + bad, kSmallestBasis));
  if (!is_too_many(bad, tried, max_share_)) return;
  throw too_many_bad(bad, std::min(size_, tried_.load() + bad), max_share_, sample);
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

#include "interface/class_names.h"

#include <algorithm>
#include <charconv>

#include "cairn/error.h"

namespace cairn {

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

ClassNames::ClassNames(const std::set<std::string>& labels) : names_(labels.begin(), labels.end()) {
  std::erase(names_, "");
}

ClassNames ClassNames::as_written(const std::set<std::string>& labels, const std::filesystem::path& where) {
  ClassNames classes(labels);
  std::int64_t highest = -1;
  for (const std::string& name : classes.names_) {
    const auto number = whole_number(name);
    if (!number) return classes;
    highest = std::max(highest, *number);
  }
  constexpr std::int64_t kMostClasses = 10'000'000;
  if (highest >= kMostClasses)
    throw DataError("has the label " + std::to_string(highest), where.string(), "number the classes from 0");
  classes.numeric_ = true;
  classes.names_.clear();
  for (std::int64_t i = 0; i <= highest; ++i) classes.names_.push_back(std::to_string(i));
  return classes;
}

std::int64_t ClassNames::index(std::string_view label) const {
  if (label.empty()) return -1;
  if (numeric_) return std::max<std::int64_t>(-1, *whole_number(label));
  return std::lower_bound(names_.begin(), names_.end(), label) - names_.begin();
}

}  // namespace cairn

#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

std::optional<std::int64_t> whole_number(std::string_view text);

/// From the labels that a data set uses to class indices. An empty label is none.
class ClassNames {
 public:
  ClassNames() = default;
  /// Names of any kind, in alphabetical order.
  explicit ClassNames(const std::set<std::string>& labels);
  /// As people write labels: if all are numbers, these count themselves. DataError, naming `where` they stand, if one
  /// is absurdly high.
  static ClassNames as_written(const std::set<std::string>& labels, const std::filesystem::path& where);

  /// -1 for an empty label, and for a negative number.
  std::int64_t index(std::string_view label) const;
  const std::vector<std::string>& names() const { return names_; }

 private:
  bool numeric_ = false;
  std::vector<std::string> names_;
};

}  // namespace cairn

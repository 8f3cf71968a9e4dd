#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/export.h"
#include "cairn/options.h"

namespace cairn {

/// A text that settings come from: an experiment file, or one --set.
struct SettingSource {
  std::string name;              // as a person would open it: "configs/base/optim.toml", "--set #1"
  std::filesystem::path folder;  // where its relative paths start
  std::vector<std::string> lines;
  int order = 0;              // reports list the sources in this order
  bool is_override = false;   // a --set
  std::string included_from;  // "configs/a.toml:1:12"; empty for the experiment itself
};

/// Where something stands: columns count characters from 1, `width` is what a caret underlines.
struct CAIRN_API Origin {
  std::shared_ptr<const SettingSource> source;
  std::size_t line = 1, column = 1, width = 0;

  /// "configs/base/optim.toml:6", "--set #1".
  std::string text() const;
};

enum class Shape : std::uint8_t { scalar, list, table };

/// A node of an experiment with its provenance: a key, a value, and where both stand.
struct CAIRN_API Setting {
  std::string key;  // empty for elements of a list
  Origin key_at, value_at;
  Shape shape = Shape::table;
  Value scalar;
  std::vector<Setting> children;  // elements, or entries in file order

  const Setting* find(std::string_view name) const;
  Setting* find(std::string_view name);
  void erase(std::string_view name);
  /// The value without its provenance.
  Value value() const;
};

}  // namespace cairn

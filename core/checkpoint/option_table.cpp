#include "checkpoint/option_table.h"

#include <algorithm>
#include <string>
#include <utility>

namespace cairn {

const Value* find_option(const Value::Table& options, std::string_view name) {
  const auto found =
      std::find_if(options.begin(), options.end(), [&](const auto& entry) { return entry.first == name; });
  return found == options.end() ? nullptr : &found->second;
}

void set_option(Value::Table& options, std::string_view name, Value value) {
  for (auto& [key, old] : options)
    if (key == name) {
      old = std::move(value);
      return;
    }
  options.emplace_back(std::string(name), std::move(value));
}

}  // namespace cairn

#pragma once

#include <algorithm>
#include <string_view>

#include "cairn/options.h"

namespace cairn {

/// The option of this name in a component's options; nullptr where there is none.
inline const Value* find_option(const Value::Table& options, std::string_view name) {
  const auto found =
      std::find_if(options.begin(), options.end(), [&](const auto& entry) { return entry.first == name; });
  return found == options.end() ? nullptr : &found->second;
}

/// Its value; `fallback` where there is no such option, or one of another type.
template <class T>
T option_or(const Value::Table& options, std::string_view name, T fallback) {
  const Value* value = find_option(options, name);
  const T* found = value == nullptr ? nullptr : std::get_if<T>(&value->data);
  return found == nullptr ? fallback : *found;
}

/// Sets an option, new or there already.
inline void set_option(Value::Table& options, std::string_view name, Value value) {
  for (auto& [key, old] : options)
    if (key == name) {
      old = std::move(value);
      return;
    }
  options.emplace_back(std::string(name), std::move(value));
}

}  // namespace cairn

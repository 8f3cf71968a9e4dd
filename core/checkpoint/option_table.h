#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>
#include <variant>

#include "cairn/export.h"
#include "cairn/options.h"

namespace cairn {

/// The option of this name in a component's options; nullptr where there is none.
CAIRN_API const Value* find_option(const Value::Table& options, std::string_view name);

/// Its value; `fallback` where there is no such option, or one of another type. An integer is a number too.
template <class T>
T option_or(const Value::Table& options, std::string_view name, T fallback) {
  const Value* value = find_option(options, name);
  if constexpr (std::is_same_v<T, double>)
    if (const auto* whole = value == nullptr ? nullptr : std::get_if<std::int64_t>(&value->data))
      return static_cast<double>(*whole);
  const T* found = value == nullptr ? nullptr : std::get_if<T>(&value->data);
  return found == nullptr ? fallback : *found;
}

/// Sets an option, new or there already.
CAIRN_API void set_option(Value::Table& options, std::string_view name, Value value);

}  // namespace cairn

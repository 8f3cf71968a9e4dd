#pragma once

#include <nlohmann/json.hpp>

#include "cairn/error.h"
#include "cairn/options.h"

namespace cairn {

/// An option's value as JSON, key order kept.
inline nlohmann::ordered_json to_json(const Value& value) {
  if (const auto* items = std::get_if<Value::Array>(&value.data)) {
    auto out = nlohmann::ordered_json::array();
    for (const Value& item : *items) out.push_back(to_json(item));
    return out;
  }
  if (const auto* table = std::get_if<Value::Table>(&value.data)) {
    auto out = nlohmann::ordered_json::object();
    for (const auto& [key, item] : *table) out[key] = to_json(item);
    return out;
  }
  if (const auto* text = std::get_if<std::string>(&value.data)) return *text;
  if (const auto* whole = std::get_if<std::int64_t>(&value.data)) return *whole;
  if (const auto* real = std::get_if<double>(&value.data)) return *real;
  return std::get<bool>(value.data);
}

/// The value that to_json() made `json` of. DataError for what is no option's value: null, or a number too large.
template <class Json>
Value from_json(const Json& json) {
  if (json.is_array()) {
    Value::Array items;
    for (const auto& item : json) items.push_back(from_json(item));
    return Value(std::move(items));
  }
  if (json.is_object()) {
    Value::Table table;
    for (const auto& [key, item] : json.items()) table.emplace_back(key, from_json(item));
    return Value(std::move(table));
  }
  if (json.is_string()) return Value(json.template get<std::string>());
  if (json.is_boolean()) return Value(json.template get<bool>());
  if (json.is_number_float()) return Value(json.template get<double>());
  if (!json.is_number_integer() || (json.is_number_unsigned() && json.template get<std::uint64_t>() > INT64_MAX))
    throw DataError("is no option's value: " + json.dump());
  return Value(json.template get<std::int64_t>());
}

}  // namespace cairn

#pragma once

#include <nlohmann/json.hpp>

#include "cairn/options.h"

namespace cairn::cli {

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

}  // namespace cairn::cli

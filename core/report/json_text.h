#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace cairn {

/// JSON as text. Names that are no UTF-8, as files may have, get U+FFFD for what is not.
template <class Json>
std::string json_text(const Json& json, int indent = 2) {
  return json.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

/// The value, or JSON's null.
template <class T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

}  // namespace cairn

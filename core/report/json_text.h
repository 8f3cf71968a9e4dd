#pragma once

#include <string>

namespace cairn {

/// JSON as text. Names that are no UTF-8, as files may have, get U+FFFD for what is not.
template <class Json>
std::string json_text(const Json& json, int indent = 2) {
  return json.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace cairn

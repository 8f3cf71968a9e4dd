#include "config/setting.h"

#include <algorithm>

namespace cairn {

std::string Origin::text() const {
  return source->is_override ? source->name : source->name + ":" + std::to_string(line);
}

const Setting* Setting::find(std::string_view name) const {
  const auto found =
      std::find_if(children.begin(), children.end(), [&](const auto& child) { return child.key == name; });
  return shape == Shape::table && found != children.end() ? &*found : nullptr;
}

Setting* Setting::find(std::string_view name) { return const_cast<Setting*>(std::as_const(*this).find(name)); }

void Setting::erase(std::string_view name) {
  std::erase_if(children, [&](const Setting& child) { return child.key == name; });
}

Value Setting::value() const {
  if (shape == Shape::scalar) return scalar;
  if (shape == Shape::list) {
    Value::Array items;
    for (const Setting& child : children) items.push_back(child.value());
    return items;
  }
  Value::Table table;
  for (const Setting& child : children) table.emplace_back(child.key, child.value());
  return table;
}

}  // namespace cairn

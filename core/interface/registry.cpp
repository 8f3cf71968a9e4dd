#include "cairn/registry.h"

#include <algorithm>
#include <set>

#include "cairn/error.h"

namespace cairn {
namespace {

bool is_identifier(std::string_view name) {
  const auto is_word = [](unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name[0] >= 'a' && name[0] <= 'z' && std::all_of(name.begin(), name.end(), is_word);
}

/// What is wrong with an option as a plugin author declared it, or empty.
std::string option_fault(const OptionSpec& spec, ComponentKind kind) {
  if (!is_identifier(spec.name)) return "is not a lower-case identifier";
  if (spec.name == "type" || (kind == ComponentKind::objective && spec.name == "weight")) return "belongs to the core";
  if (spec.doc.empty()) return "has no description";
  if (!spec.assign) return "is bound to nothing";
  if (spec.low && spec.high && *spec.low > *spec.high) return "has an empty range";
  if (spec.multiple && *spec.multiple <= 0) return "must be a multiple of a positive number";
  if (spec.is_required) return {};
  const auto problem = spec.problem(spec.fallback);
  return problem ? "has a default that " + *problem : "";
}

void check_schema(const SchemaBase& schema, ComponentKind kind, const std::string& component) {
  if (schema.summary().empty()) throw PluginError("its schema has no summary", component);
  std::set<std::string> names;
  for (const OptionSpec& spec : schema.options()) {
    const std::string fault = names.insert(spec.name).second ? option_fault(spec, kind) : "is declared twice";
    if (!fault.empty()) throw PluginError("option '" + spec.name + "' " + fault, component, "mend its schema()");
  }
}

}  // namespace

const char* kind_name(ComponentKind kind) {
  static constexpr const char* kNames[] = {"modality", "encoder", "projector", "masker", "predictor", "objective"};
  return kNames[static_cast<int>(kind)];
}

Registry::Registry(std::string plugin) : plugin_(std::move(plugin)) {}

const Component* Registry::find(ComponentKind kind, std::string_view name) const {
  const auto found = std::find_if(components_.begin(), components_.end(), [&](const Component& component) {
    return component.kind == kind && component.name == name;
  });
  return found == components_.end() ? nullptr : &*found;
}

void Registry::append(Component component) {
  const std::string label = std::string(kind_name(component.kind)) + " '" + component.full_name() + "'";
  if (!is_identifier(component.name)) throw PluginError("the name is not a lower-case identifier", label);
  if (find(component.kind, component.name) != nullptr) throw PluginError("is enrolled twice", label);
  check_schema(*component.schema, component.kind, label);
  components_.push_back(std::move(component));
}

}  // namespace cairn

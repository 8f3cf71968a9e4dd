#include "plugin/search.h"

#include "cairn/error.h"

namespace cairn {
namespace {

/// "an objective", "a modality".
std::string one(ComponentKind kind) {
  const std::string name = kind_name(kind);
  return (std::string("aeiou").find(name.front()) == std::string::npos ? "a " : "an ") + name;
}

}  // namespace

std::vector<const Component*> search_components(PluginLoader& loader, ComponentKind kind,
                                                const std::function<bool(const Component&)>& accepts) {
  std::vector<const Component*> found;
  for (const PluginFile& file : loader.scan()) {
    if (file.is_shadowed || !file.fault.empty()) continue;
    for (const Component& component : loader.load(file.name).registry->components())
      if (component.kind == kind && accepts(component)) found.push_back(&component);
  }
  return found;
}

const Component& find_component(PluginLoader& loader, ComponentKind kind, const std::string& name) {
  if (name.find('.') != std::string::npos) return loader.component(kind, name);
  const auto found =
      search_components(loader, kind, [&](const Component& component) { return component.name == name; });
  if (found.size() == 1) return *found.front();
  if (found.empty())
    throw UnknownNameError("no plugin on the path has " + one(kind) + " '" + name + "'", "",
                           std::string("all of that kind: cairn inspect ") + kind_name(kind));
  std::string names;
  for (const Component* component : found) names += (names.empty() ? "" : ", ") + component->full_name();
  throw UnknownNameError("several plugins have " + one(kind) + " '" + name + "'", "",
                         "name one of them in full: " + names);
}

}  // namespace cairn

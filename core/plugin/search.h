#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "cairn/registry.h"
#include "plugin/loader.h"

namespace cairn {

/// Components of `kind` that `accepts` agrees to, of every plugin on the path that may run here, by plugin name.
CAIRN_API std::vector<const Component*> search_components(PluginLoader& loader, ComponentKind kind,
                                                          const std::function<bool(const Component&)>& accepts);

/// The component called `name`, with or without its plugin ("vit", "transformer.vit"). UnknownNameError if there is
/// none, or if several plugins have one.
CAIRN_API const Component& find_component(PluginLoader& loader, ComponentKind kind, const std::string& name);

}  // namespace cairn

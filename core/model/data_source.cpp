#include "model/data_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "cairn/error.h"
#include "checkpoint/option_table.h"
#include "config/toml_text.h"
#include "plugin/guard.h"
#include "plugin/search.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNameOne = "name how samples are prepared, as in --modality image.folder --set modality.size=224";
constexpr std::string_view kTable = "modality.";

/// What a modality must be told for its views to fit the network.
Value::Table sizes_for(const OpenedNetwork& network, const SchemaBase& schema) {
  const TokenizerSpec& spec = network.model.tokenizer;
  Value::Table options;
  const auto set = [&](const char* name, std::int64_t value) {
    if (schema.find(name) != nullptr) options.emplace_back(name, Value(value));
  };
  set("size", spec.patch.back() * network.model.grid.extent.back());
  set("patch", spec.patch.back());
  set("channels", spec.channels);
  if (spec.axes.front() == Axis::time && spec.axes.size() == 3) {
    set("frames", spec.patch.front() * network.model.grid.extent.front());
    set("tubelet", spec.patch.front());
  }
  return options;
}

const Component& component_for(const PublishedData& data, PluginLoader& loader) {
  if (!data.component.empty()) return loader.component(ComponentKind::modality, data.component);
  const auto found = search_components(loader, ComponentKind::modality, [&](const Component& component) {
    return std::all_of(data.options.begin(), data.options.end(),
                       [&](const auto& option) { return component.schema->find(option.first) != nullptr; });
  });
  if (!found.empty()) return *found.front();
  std::string names;
  for (const auto& [name, value] : data.options) names += (names.empty() ? "" : ", ") + name;
  throw ConfigError("--data", "no modality on the plugin path prepares samples as this folder asks for: " + names,
                    kNameOne);
}

}  // namespace

std::shared_ptr<Modality> open_data(const OpenedNetwork& network, const DataRequest& request, PluginLoader& loader) {
  PublishedData data;
  if (!request.modality.empty()) {
    const Component& named = find_component(loader, ComponentKind::modality, request.modality);
    data = {named.full_name(), sizes_for(network, *named.schema)};
  } else if (network.model.data) {
    data = *network.model.data;
  } else {
    const std::string& fault = network.model.data_fault;
    throw ConfigError("--data", fault.empty() ? "this checkpoint does not say how its samples are prepared" : fault,
                      kNameOne);
  }
  if (request.path) set_option(data.options, "path", Value(fs::absolute(*request.path).lexically_normal().string()));
  for (auto& [name, value] : parse_overrides(request.sets))
    set_option(data.options, name.starts_with(kTable) ? name.substr(kTable.size()) : name, std::move(value));
  const Component& component = component_for(data, loader);
  if (request.path) require_path(component, "--data");
  try {
    return call_plugin(component.plugin, component.full_name(),
                       [&] { return std::get<ModalityFactory>(component.factory)(data.options); });
  } catch (const ConfigError& error) {
    throw ConfigError("modality." + error.key(), error.message(), error.advice());
  }
}

void require_path(const Component& modality, const std::string& key) {
  if (modality.schema->find("path") != nullptr) return;
  throw ConfigError(key, modality.full_name() + " makes its samples itself and takes no path", kNameOne);
}

}  // namespace cairn

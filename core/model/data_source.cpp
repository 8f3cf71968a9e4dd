#include "model/data_source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

#include "cairn/error.h"
#include "checkpoint/option_table.h"
#include "config/toml_text.h"
#include "plugin/guard.h"
#include "plugin/guarded_modality.h"
#include "plugin/search.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNameOne = "name how samples are prepared, as in --modality image.folder --set modality.size=224";
constexpr std::string_view kTable = "modality.";

bool is_of_sound(const TokenizerSpec& spec) { return spec.axes == std::vector{Axis::time, Axis::frequency}; }

bool is_of_clips(const TokenizerSpec& spec) { return spec.axes.size() == 3 && spec.axes.front() == Axis::time; }

/// Adds an option where the schema has it and it takes the value.
void add_if_taken(Value::Table& options, const SchemaBase& schema, const char* name, Value value) {
  const OptionSpec* spec = schema.find(name);
  if (spec != nullptr && !spec->problem(value)) options.emplace_back(name, std::move(value));
}

/// What a modality must be told to cut its views as `spec` says.
Value::Table cuts_for(const TokenizerSpec& spec, const SchemaBase& schema) {
  Value::Table options;
  add_if_taken(
      options, schema, "patch",
      is_of_sound(spec) ? Value(Value::Array(spec.patch.begin(), spec.patch.end())) : Value(spec.patch.back()));
  add_if_taken(options, schema, "channels", spec.channels);
  if (is_of_clips(spec)) add_if_taken(options, schema, "tubelet", spec.patch.front());
  return options;
}

/// What a modality must be told for its views to be those of a network that sees `grid`.
Value::Table sizes_for(const TokenizerSpec& spec, const TokenGrid& grid, const SchemaBase& schema) {
  // Sizes of pictures would only make an impossible spectrogram, and hide that the network sees no sound.
  if (is_of_sound(spec) != (schema.find("n_mels") != nullptr)) return {};
  Value::Table options = cuts_for(spec, schema);
  const std::int64_t first = spec.patch.front() * grid.extent.front(), last = spec.patch.back() * grid.extent.back();
  add_if_taken(options, schema, "size", is_of_sound(spec) ? first : last);
  if (is_of_sound(spec)) add_if_taken(options, schema, "n_mels", last);
  if (is_of_clips(spec)) add_if_taken(options, schema, "frames", first);
  return options;
}

std::string axes_text(const TokenizerSpec& spec) {
  std::string text;
  for (const Axis axis : spec.axes) text += (text.empty() ? "" : " x ") + std::string(axis_name(axis));
  return text;
}

std::string cut_text(const TokenizerSpec& spec) {
  return fmt::format("patches of {} and {} channel{}", fmt::join(spec.patch, " x "), spec.channels,
                     spec.channels == 1 ? "" : "s");
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
    data = {named.full_name(), sizes_for(network.model.tokenizer, network.model.grid, *named.schema)};
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
  std::shared_ptr<Modality> modality = call_in_table(
      component.full_name(), "modality", [&] { return std::get<ModalityFactory>(component.factory)(data.options); });
  if (!option_or(network.model.encoder.options, "picture_tokenizer", false))
    require_fit(network.model.tokenizer, component, *modality);
  return guarded_modality(std::move(modality), component.full_name());
}

std::vector<std::string> sets_for_data(const Experiment& trained, const Modality& modality,
                                       const std::vector<std::string>& sets, PluginLoader& loader) {
  const Value::Table given = parse_overrides(sets);
  const std::string type = option_or(given, "modality.type", trained.modality.type);
  const Component& component = loader.component(ComponentKind::modality, type);
  if (find_option(given, "modality.path") != nullptr) require_path(component, "modality.path");
  std::vector<std::string> all = sets;
  if (type == trained.modality.type) return all;
  const TokenGrid grid = modality.views(Purpose::pretrain).front().grid;
  for (const auto& [name, value] : sizes_for(modality.tokenizer(), grid, *component.schema))
    if (const std::string key = "modality." + name; find_option(given, key) == nullptr)
      all.push_back(key + "=" + value.text());
  return all;
}

void require_fit(const TokenizerSpec& trained, const Component& component, const Modality& modality) {
  if (component.schema->find("patch") == nullptr) return;  // it leaves cutting to the network
  const TokenizerSpec given = modality.tokenizer();
  if (given.axes != trained.axes)
    throw ConfigError("modality.type",
                      fmt::format("the network was trained on samples of {}, and those of {} are of {}",
                                  axes_text(trained), component.full_name(), axes_text(given)),
                      "name data of the network's kind");
  if (given == trained) return;
  std::string cure;
  for (const auto& [name, value] : cuts_for(trained, *component.schema))
    cure += (cure.empty() ? "set modality." : ", modality.") + name + "=" + value.text();
  throw ConfigError(given.patch == trained.patch ? "modality.channels" : "modality.patch",
                    fmt::format("the network was trained with {}, and these samples come with {}", cut_text(trained),
                                cut_text(given)),
                    cure);
}

void require_path(const Component& modality, const std::string& key) {
  if (modality.schema->find("path") != nullptr) return;
  throw ConfigError(key, modality.full_name() + " makes its samples itself and takes no path", kNameOne);
}

}  // namespace cairn

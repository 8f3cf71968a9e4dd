#include "cli/compose.h"

#include <fmt/format.h>

#include <utility>

#include "config/load.h"
#include "model/initial.h"

namespace cairn::cli {

namespace {

FindComponent finder(PluginLoader& loader) {
  return [&loader](ComponentKind kind, const std::string& type) -> const Component& {
    return loader.component(kind, type);
  };
}

void check_plugin_folders(const std::vector<std::string>& folders) {
  for (const std::string& folder : folders)
    if (!std::filesystem::is_directory(folder))
      throw ConfigError("plugins.path", fmt::format("there is no folder '{}'", folder),
                        "paths here are relative to the file that names them");
}

}  // namespace

Experiment open_experiment(const std::filesystem::path& file, std::span<const std::string> sets, PluginLoader& loader) {
  Experiment experiment = load_experiment(file, sets, loader);
  explained(experiment, [&] { check_plugin_folders(experiment.plugins.path); });
  return experiment;
}

std::unique_ptr<Composition> compose(const Experiment& experiment, PluginLoader& loader) {
  return explained(experiment, [&] { return std::make_unique<Composition>(experiment, finder(loader)); });
}

std::vector<std::string> take_initial(const Experiment& experiment, Composition& parts, PluginLoader& loader) {
  if (experiment.initial.path.empty()) return {};
  return explained(experiment, [&] { return start_from(experiment, parts, loader); });
}

DataParts compose_data(const Experiment& experiment, PluginLoader& loader) {
  return explained(experiment, [&] {
    const FindComponent find = finder(loader);
    auto modality = build_modality(experiment, find);
    return DataParts{build_masker(experiment, find), TrainingPart(std::move(modality), experiment)};
  });
}

}  // namespace cairn::cli

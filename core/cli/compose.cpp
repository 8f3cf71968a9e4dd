#include "cli/compose.h"

#include <utility>

#include "model/initial.h"

namespace cairn::cli {

std::unique_ptr<Composition> compose(const Experiment& experiment, PluginLoader& loader) {
  return explained(experiment, [&] { return std::make_unique<Composition>(experiment, components_of(loader)); });
}

std::vector<std::string> take_initial(const Experiment& experiment, Composition& parts, PluginLoader& loader) {
  if (experiment.initial.path.empty()) return {};
  return explained(experiment, [&] { return start_from(experiment, parts, loader); });
}

DataParts compose_data(const Experiment& experiment, PluginLoader& loader) {
  return explained(experiment, [&] {
    const FindComponent find = components_of(loader);
    auto modality = build_modality(experiment, find);
    return DataParts{build_masker(experiment, find), TrainingPart(std::move(modality), experiment)};
  });
}

}  // namespace cairn::cli

#include "cli/compose.h"

#include <utility>

#include "cairn/error.h"
#include "config/document.h"
#include "config/report.h"
#include "model/initial.h"

namespace cairn::cli {

namespace {

/// Builds something of an experiment, its complaints placed in the file.
template <class F>
auto explained(const Experiment& experiment, PluginLoader& loader, F&& build) {
  const FindComponent find = [&loader](ComponentKind kind, const std::string& type) -> const Component& {
    return loader.component(kind, type);
  };
  try {
    return build(find);
  } catch (const ConfigError& error) {
    throw ExperimentError(experiment.document->explain(error, ""));
  }
}

}  // namespace

std::unique_ptr<Composition> compose(const Experiment& experiment, PluginLoader& loader) {
  return explained(experiment, loader,
                   [&](const FindComponent& find) { return std::make_unique<Composition>(experiment, find); });
}

std::vector<std::string> take_initial(const Experiment& experiment, Composition& parts, PluginLoader& loader) {
  if (experiment.initial.path.empty()) return {};
  return explained(experiment, loader, [&](const FindComponent&) { return start_from(experiment, parts, loader); });
}

DataParts compose_data(const Experiment& experiment, PluginLoader& loader) {
  return explained(experiment, loader, [&](const FindComponent& find) {
    auto modality = build_modality(experiment, find);
    return DataParts{build_masker(experiment, find), TrainingPart(std::move(modality), experiment)};
  });
}

}  // namespace cairn::cli

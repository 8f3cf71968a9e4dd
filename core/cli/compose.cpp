#include "cli/compose.h"

#include "cairn/error.h"
#include "config/document.h"
#include "config/report.h"

namespace cairn::cli {

std::unique_ptr<Composition> compose(const Experiment& experiment, PluginLoader& loader) {
  const FindComponent find = [&loader](ComponentKind kind, const std::string& type) -> const Component& {
    return loader.component(kind, type);
  };
  try {
    return std::make_unique<Composition>(experiment, find);
  } catch (const ConfigError& error) {
    throw ExperimentError(experiment.document->explain(error, ""));
  }
}

}  // namespace cairn::cli

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cairn/error.h"
#include "config/document.h"
#include "config/experiment.h"
#include "config/report.h"
#include "data/training_part.h"
#include "model/composition.h"
#include "plugin/loader.h"

namespace cairn::cli {

/// What `build` gives. Its ConfigError becomes an ExperimentError with the place in the experiment's files.
template <class F>
auto explained(const Experiment& experiment, F&& build) {
  try {
    return build();
  } catch (const ConfigError& error) {
    if (error.key().starts_with("--")) throw;  // of the command line
    throw ExperimentError(experiment.document->explain(error, ""));
  }
}

/// Builds the parts of an experiment. What does not fit together is an ExperimentError with its place in the file.
std::unique_ptr<Composition> compose(const Experiment& experiment, PluginLoader& loader);

/// Starts the networks from what the table [initial] names, if it names something; what was taken and what was not, a
/// line each. Errors as compose() gives them.
std::vector<std::string> take_initial(const Experiment& experiment, Composition& parts, PluginLoader& loader);

/// The data of an experiment without its networks: what feeds the loop.
struct DataParts {
  std::shared_ptr<Masker> masker;
  TrainingPart training;
};

/// Opens the data of an experiment; errors as compose() gives them.
DataParts compose_data(const Experiment& experiment, PluginLoader& loader);

}  // namespace cairn::cli

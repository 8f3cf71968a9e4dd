#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/experiment.h"
#include "data/training_part.h"
#include "model/composition.h"
#include "plugin/loader.h"

namespace cairn::cli {

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

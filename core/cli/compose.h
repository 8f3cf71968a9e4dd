#pragma once

#include <memory>

#include "config/experiment.h"
#include "model/composition.h"
#include "plugin/loader.h"

namespace cairn::cli {

/// Builds the parts of an experiment. What does not fit together is an ExperimentError with its place in the file.
std::unique_ptr<Composition> compose(const Experiment& experiment, PluginLoader& loader);

}  // namespace cairn::cli

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "model/composition.h"

namespace cairn {

class PluginLoader;

/// Starts student, teacher and predictor from the weights that the experiment's table [initial] names; learned
/// positions are resized where grids differ. Returns what was taken and what was not, a line each. ConfigError, with
/// every name, where weights do not fit (unless partial), and where they fit but a network computes something else than
/// its source.
CAIRN_API std::vector<std::string> start_from(const Experiment& experiment, const Composition& parts,
                                              PluginLoader& loader);

}  // namespace cairn

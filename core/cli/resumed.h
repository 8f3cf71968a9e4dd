#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/experiment.h"
#include "plugin/loader.h"

namespace cairn::cli {

/// What a run is to go on with otherwise than `config`, its own config.toml, says, a line each. ExperimentError where
/// that is an option of its networks: their weights may fit and yet mean something else.
std::vector<std::string> changes_since(const std::filesystem::path& config, const Experiment& experiment,
                                       PluginLoader& loader);

}  // namespace cairn::cli

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/experiment.h"
#include "model/composition.h"
#include "plugin/loader.h"
#include "report/summary.h"

namespace cairn {

/// What `cairn train` was asked for, after the experiment was read.
struct TrainRequest {
  Experiment experiment;
  std::vector<PluginFacts> plugins;
  std::optional<std::filesystem::path> run;  // --run; else one is chosen below runs/
  bool resume = false;
  std::string device = "auto";
  std::vector<std::string> command;
};

/// Trains the parts of the request's experiment, watches, probes and reports. Returns the exit code: 0 done, 130
/// interrupted with a checkpoint written. Throws what ended it otherwise, after run.json says so. `loader` opens what
/// [initial] names.
int run_training(const TrainRequest& request, Composition& parts, PluginLoader& loader);

}  // namespace cairn

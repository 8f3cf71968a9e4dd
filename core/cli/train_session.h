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

/// How a run ended that did not fail.
struct TrainEnd {
  int code = 0;  // of the program: 0 done, 130 interrupted with a checkpoint written
  std::filesystem::path run;
};

/// Trains the parts of the request's experiment, watches, probes and reports. Throws what made it fail, after run.json
/// says so. `loader` opens what [initial] names.
TrainEnd run_training(const TrainRequest& request, Composition& parts, PluginLoader& loader);

}  // namespace cairn

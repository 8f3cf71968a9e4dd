#pragma once

#include <c10/core/Device.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "config/experiment.h"
#include "evaluate/features.h"
#include "model/composition.h"
#include "plugin/loader.h"

namespace cairn::cli {

/// A run with the weights of one of its checkpoints.
struct OpenedRun {
  std::filesystem::path folder, checkpoint;
  Experiment experiment;
  std::unique_ptr<Composition> parts;

  /// What probes are about: the teacher where there is one, else the student.
  Branch& branch() const { return parts->teacher ? *parts->teacher : *parts->student; }
};

/// Opens a run folder (its newest checkpoint) or one of its checkpoints, with `sets` on top of its experiment; all
/// networks are in evaluation mode. ConfigError for anything else.
OpenedRun open_run(const std::filesystem::path& source, const std::vector<std::string>& sets, PluginLoader& loader,
                   at::Device device);

}  // namespace cairn::cli

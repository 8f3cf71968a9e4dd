#pragma once

#include <c10/core/Device.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cairn/modality.h"
#include "config/settings.h"
#include "data/quarantine.h"
#include "model/branch.h"
#include "model/network_source.h"
#include "plugin/loader.h"

namespace cairn::cli {

/// A network as probes see it, in evaluation mode, the data it is shown, and how they are read.
struct ProbeSubject {
  std::filesystem::path checkpoint;  // the folder or file of the weights
  std::filesystem::path features;    // folder that keeps features of its run; empty: there is no run
  std::string origin, encoder_type;
  std::uint64_t seed = 0;
  EvaluateSettings evaluate;
  TrainSettings train;
  double max_bad_share = kUsualBadShare;  // of samples that cannot be read
  std::shared_ptr<Modality> modality;
  std::shared_ptr<Branch> branch;
};

/// Which data a subject is shown, and with which settings.
struct ProbeRequest {
  std::string data;      // modality.path; empty: the run's own
  std::string modality;  // modality.type; empty: the source's
  std::vector<std::string> sets;
};

/// Opens a run, a checkpoint or published weights. Settings are those of the run's experiment, `request` on top;
/// weights without an experiment have the tables modality, evaluate and train, and seed. ConfigError for others.
ProbeSubject open_subject(const std::filesystem::path& source, const SourceOptions& options,
                          const ProbeRequest& request, PluginLoader& loader, at::Device device);

}  // namespace cairn::cli

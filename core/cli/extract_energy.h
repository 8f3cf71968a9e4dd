#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cairn/modality.h"
#include "plugin/loader.h"

namespace cairn::cli {

/// Which run scores which data.
struct EnergyRequest {
  std::string source;
  std::string data;      // modality.path; empty: the data of the run
  std::string modality;  // modality.type; empty: the run's
  std::vector<std::string> sets;
  std::vector<Split> parts;
  std::string out;
  std::int64_t plans = 8;
  std::int64_t batch_size = 32;
  std::int64_t workers = 2;
  at::Device device = at::kCPU;
};

/// What was written.
struct EnergyFacts {
  std::int64_t samples = 0, unreadable = 0;
  double mean = 0.0;
  std::vector<std::filesystem::path> files;
};

/// Writes the energy of every sample: `energy`, `token_energy` [N] (NaN: never asked about), `sample_id`, `split` and
/// `label`. The same for the same run and data, but for other batch sizes, as plans are drawn for a batch.
EnergyFacts extract_energy(const EnergyRequest& request, PluginLoader& loader);

}  // namespace cairn::cli

#pragma once

#include <c10/core/Device.h>

#include <nlohmann/json.hpp>
#include <string>

#include "cli/opened_run.h"

namespace cairn::cli {

/// What a trained encoder makes of a few hundred test samples, for the report: inputs, what its masker hides, what a
/// generative model fills in, tokens as colours, where the model is surprised and what it expected there, where a probe
/// looks, nearest neighbours, and the features on a plane. no_views() where there is nothing to see.
nlohmann::ordered_json run_views(const OpenedRun& run, at::Device device);

/// What stands in the report instead: why there are no pictures.
nlohmann::ordered_json no_views(const std::string& reason);

}  // namespace cairn::cli

#pragma once

#include <c10/core/Device.h>

#include <nlohmann/json.hpp>

#include "cli/opened_run.h"

namespace cairn::cli {

/// What a trained encoder makes of a few hundred test samples, for the report: inputs, what its masker hides, tokens as
/// colours, where the model is surprised and what it expected there, where a probe looks, nearest neighbours, and the
/// features on their two main directions.
nlohmann::ordered_json run_views(const OpenedRun& run, at::Device device);

}  // namespace cairn::cli

#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "plugin/loader.h"

namespace cairn::cli {

/// What the trained encoder of a run makes of a few hundred test samples, for the report: inputs, what its masker
/// hides, what a generative model fills in, tokens as colours, where the model is surprised and what it expected there,
/// where a probe looks, nearest neighbours, and the features on a plane. Where there is nothing to see, or the run
/// cannot be opened, the reason instead.
nlohmann::ordered_json run_views(const std::filesystem::path& run, PluginLoader& loader);

}  // namespace cairn::cli

#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// The folder of step `step` below `checkpoints` of a run.
CAIRN_API std::filesystem::path step_folder(const std::filesystem::path& checkpoints, std::int64_t step);

/// RUN of RUN/checkpoints/step-N, however the path is written: "step-N/", or "." inside it.
CAIRN_API std::filesystem::path run_of(const std::filesystem::path& checkpoint);

/// Steps with a complete checkpoint, ascending.
CAIRN_API std::vector<std::int64_t> saved_steps(const std::filesystem::path& checkpoints);

}  // namespace cairn

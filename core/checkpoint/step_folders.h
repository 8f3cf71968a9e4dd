#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "cairn/error.h"
#include "cairn/export.h"

namespace cairn {

/// The folder of step `step` below `checkpoints` of a run.
CAIRN_API std::filesystem::path step_folder(const std::filesystem::path& checkpoints, std::int64_t step);

/// RUN of RUN/checkpoints/step-N, however the path is written: "step-N/", or "." inside it.
CAIRN_API std::filesystem::path run_of(const std::filesystem::path& checkpoint);

/// Steps with a complete checkpoint, ascending.
CAIRN_API std::vector<std::int64_t> saved_steps(const std::filesystem::path& checkpoints);

/// The newest complete checkpoint.
CAIRN_API std::optional<std::filesystem::path> newest_checkpoint(const std::filesystem::path& checkpoints);

/// Calls `read` with the newest checkpoint, and with the next one where a training at work has removed it meanwhile.
/// False where there is none.
template <class Read>
bool read_newest(const std::filesystem::path& checkpoints, Read&& read) {
  while (const auto newest = newest_checkpoint(checkpoints)) {
    try {
      read(*newest);
      return true;
    } catch (const Error&) {
      if (std::filesystem::exists(*newest)) throw;
    }
  }
  return false;
}

}  // namespace cairn

#pragma once

#include <filesystem>

#include "cairn/export.h"
#include "checkpoint/published.h"

namespace cairn {

class AtomicFolder;

/// The file that makes a folder one of `cairn convert --to cairn`.
inline constexpr const char* kCairnFile = "cairn.json";

/// Writes encoder, projector and predictor with all it takes to build them: cairn.json and model.safetensors. Commits
/// nothing.
CAIRN_API void write_cairn_folder(AtomicFolder& folder, const PublishedModel& model);

/// Reads what write_cairn_folder() wrote, bit for bit. DataError for a folder that was damaged, or is of a later
/// format.
CAIRN_API PublishedModel read_cairn_folder(const std::filesystem::path& folder);

}  // namespace cairn

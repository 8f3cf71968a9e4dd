#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "cairn/export.h"
#include "config/report.h"
#include "config/setting.h"

namespace cairn {

/// Why a file cannot be read ("does not exist"); empty where it can.
CAIRN_API std::string file_fault(const std::filesystem::path& file);

/// An experiment file, its bases and its overrides as one tree with provenance: bases depth first and left to right,
/// then the file, then `sets` in order. Tables merge by key, everything else replaces whole; a changed `type` drops the
/// earlier layers' other keys of its table. `extends` and `unset` are gone from the result.
Setting merge_layers(const std::filesystem::path& file, std::span<const std::string> sets, ProblemReport& report);

}  // namespace cairn

#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "cairn/export.h"
#include "report/comparison.h"

namespace cairn {

/// A run as a report shows it.
struct ReportedRun {
  std::string label;
  std::filesystem::path folder;
  nlohmann::ordered_json views = nullptr;  // what the model sees, or the "reason" why nothing; null: not asked
};

/// ConfigError where a folder holds no run.
CAIRN_API void require_run(const std::filesystem::path& folder);

/// Writes one self-contained HTML page about runs, readable without a network: curves, probes, costs, the keys in which
/// their configurations differ. `comparison` may be null. Errors as require_run() gives them, DataError for a run.json
/// that is damaged.
CAIRN_API void write_report(const std::filesystem::path& path, const std::string& title,
                            std::span<const ReportedRun> runs, const Comparison* comparison);

}  // namespace cairn

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "cairn/options.h"

namespace cairn {

class PluginLoader;

/// How close a value must come: |a - e| <= absolute + relative * |e| everywhere. Limits that are 0 do not apply.
struct Tolerance {
  double absolute = 0.0;
  double relative = 0.0;
  double snr_db = 0.0;    // least signal-to-noise ratio, in place of the above
  double mean_abs = 0.0;  // largest mean of |a - e|, on top of the above
  static Schema<Tolerance> schema();
};

/// One expected tensor and what came out. `fault` says why there is nothing to compare.
struct GoldenTensor {
  std::string name;  // without "expect."
  Tolerance tolerance;
  double absolute_error = 0.0;  // largest |a - e|
  double relative_error = 0.0;  // largest |a - e| / |e| where |e| > tolerance.absolute
  double mean_error = 0.0;
  double snr_db = 0.0;
  bool holds = false;
  std::string fault;
};

/// What became of a golden case. `fault` says why it did not run.
struct CAIRN_API GoldenResult {
  std::filesystem::path folder;
  std::string subject;  // the component or format that computed it
  std::vector<GoldenTensor> tensors;
  std::string fault;

  bool holds() const;
};

/// The golden cases in `folder`, sorted: itself, or those in the folders beneath. ConfigError if there is none.
CAIRN_API std::vector<std::filesystem::path> find_golden_cases(const std::filesystem::path& folder);

/// Computes what a case expects and compares. Whatever goes wrong is in the result.
CAIRN_API GoldenResult run_golden_case(const std::filesystem::path& folder, PluginLoader& loader);

}  // namespace cairn

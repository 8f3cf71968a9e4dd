#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// Names and values of one record.
using Metrics = std::vector<std::pair<std::string, double>>;

/// One line of metrics.jsonl: its numbers, without those that were not finite.
struct MetricsRecord {
  std::int64_t step = 0;
  Metrics metrics;
};

/// The records of a metrics.jsonl in order; torn lines are left out, a missing file has none.
CAIRN_API std::vector<MetricsRecord> read_metrics(const std::filesystem::path& path);

/// metrics.jsonl: one JSON object a line, {"step":20,"loss":0.41,…}, flushed line by line. A value that is NaN or
/// infinite is null, and "note" says which it was.
class CAIRN_API MetricsLog {
 public:
  /// Begins a new file, or, with `resume_step`, continues one: records of later steps and torn lines are dropped, the
  /// rest rewritten atomically. Error if the file cannot be written.
  MetricsLog(std::filesystem::path path, std::optional<std::int64_t> resume_step);

  /// Appends a record. Error if the disk is full.
  void write(std::int64_t step, const Metrics& metrics);
  /// Lines left out on resume.
  std::int64_t dropped() const { return dropped_; }

 private:
  void rewrite(std::int64_t resume_step);

  std::filesystem::path path_;
  std::ofstream file_;
  std::int64_t dropped_ = 0;
};

}  // namespace cairn

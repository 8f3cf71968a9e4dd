#include "report/metrics_log.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "cairn/error.h"
#include "checkpoint/atomic_folder.h"
#include "report/json_text.h"

namespace cairn {
namespace {

std::string non_finite_name(double value) {
  if (std::isnan(value)) return "NaN";
  return value > 0 ? "infinite" : "minus infinite";
}

std::optional<std::int64_t> step_of(const std::string& line) {
  const auto record = nlohmann::json::parse(line, nullptr, false);
  if (!record.is_object() || !record.contains("step") || !record["step"].is_number_integer()) return std::nullopt;
  return record["step"].get<std::int64_t>();
}

}  // namespace

std::vector<MetricsRecord> read_metrics(const std::filesystem::path& path) {
  std::vector<MetricsRecord> records;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    const std::optional<std::int64_t> step = step_of(line);
    if (!step) continue;
    MetricsRecord record{*step, {}};
    const auto fields = nlohmann::ordered_json::parse(line);
    for (const auto& [name, value] : fields.items())
      if (name != "step" && value.is_number()) record.metrics.emplace_back(name, value.get<double>());
    records.push_back(std::move(record));
  }
  return records;
}

MetricsLog::MetricsLog(std::filesystem::path path, std::optional<std::int64_t> resume_step) : path_(std::move(path)) {
  if (resume_step && std::filesystem::exists(path_)) rewrite(*resume_step);
  file_.open(path_, resume_step ? std::ios::app : std::ios::trunc);
  if (!file_) throw Error("the metrics cannot be written", path_.string(), "check the folder and its permissions");
}

void MetricsLog::rewrite(std::int64_t resume_step) {
  std::ifstream in(path_);
  std::string kept, line;
  while (std::getline(in, line)) {
    const bool is_torn = in.eof();  // the last line ends without a newline
    const std::optional<std::int64_t> step = is_torn ? std::nullopt : step_of(line);
    if (step && *step <= resume_step) {
      kept += line + "\n";
    } else {
      ++dropped_;
    }
  }
  if (dropped_ > 0) write_file_atomically(path_, kept);
}

void MetricsLog::write(std::int64_t step, const Metrics& metrics) {
  nlohmann::ordered_json record = {{"step", step}};
  std::string note;
  for (const auto& [name, value] : metrics) {
    record[name] = std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
    if (!std::isfinite(value)) note += (note.empty() ? "" : ", ") + name + " is " + non_finite_name(value);
  }
  if (!note.empty()) record["note"] = note;
  file_ << json_text(record, -1) + "\n" << std::flush;
  if (!file_) throw Error("a record cannot be written", path_.string(), "check the free space on the disk");
}

}  // namespace cairn

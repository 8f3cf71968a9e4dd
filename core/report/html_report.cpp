#include "report/html_report.h"

#include <fmt/format.h>

#include <fstream>
#include <map>
#include <sstream>

#include "cairn/error.h"
#include "checkpoint/atomic_folder.h"
#include "config/experiment.h"
#include "config/layers.h"
#include "report/assets.h"
#include "report/metrics_log.h"
#include "report/text_log.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kRunFacts = "run.json";
constexpr std::size_t kMostPoints = 600;  // of one curve

Json read_facts(const fs::path& folder) {
  require_run(folder);
  std::ifstream file(folder / kRunFacts);
  Json facts = Json::parse(file, nullptr, false);
  if (!facts.is_object())
    throw DataError("run.json is damaged", folder.string(), "resume the run, which writes it anew");
  return facts;
}

/// Every curve of a run: {"loss": [[step, seconds, value], …]}, thinned evenly to a bounded number of points.
Json read_curves(const fs::path& folder) {
  std::map<std::string, Json> curves;
  double seconds = 0.0;
  for (const MetricsRecord& record : read_metrics(folder / "metrics.jsonl")) {
    for (const auto& [name, value] : record.metrics)
      if (name == "seconds") seconds = value;
    for (const auto& [name, value] : record.metrics) {
      if (name == "seconds") continue;
      Json& curve = curves[name];
      if (curve.is_null()) curve = Json::array();
      curve.push_back({record.step, seconds, value});
    }
  }
  Json out = Json::object();
  for (const auto& [name, curve] : curves) {
    const std::size_t stride = (curve.size() + kMostPoints - 1) / kMostPoints;
    Json& thin = out[name] = Json::array();
    for (std::size_t i = 0; i < curve.size(); ++i)
      if (i % stride == 0 || i + 1 == curve.size()) thin.push_back(curve[i]);
  }
  return out;
}

void flatten(const Setting& setting, const std::string& path, Json& out) {
  if (setting.shape == Shape::scalar) {
    out[path] = setting.scalar.text();
    return;
  }
  const bool holds_tables =
      setting.shape == Shape::table || (!setting.children.empty() && setting.children.front().shape == Shape::table);
  if (!holds_tables) {
    out[path] = setting.value().text();
    return;
  }
  for (std::size_t i = 0; i < setting.children.size(); ++i) {
    const Setting& child = setting.children[i];
    const std::string name = setting.shape == Shape::list ? std::to_string(i) : child.key;
    flatten(child, path.empty() ? name : path + "." + name, out);
  }
}

/// The resolved experiment as {"optim.lr": "0.001", …}; empty where there is none.
Json read_config(const fs::path& folder) {
  Json out = Json::object();
  if (!fs::exists(folder / kRunConfig)) return out;
  ProblemReport problems;
  const Setting root = merge_layers(folder / kRunConfig, {}, problems);
  problems.raise();
  flatten(root, "", out);
  return out;
}

Json run_json(const ReportedRun& run) {
  return {{"label", run.label},
          {"folder", run.folder.string()},
          {"facts", read_facts(run.folder)},
          {"curves", read_curves(run.folder)},
          {"config", read_config(run.folder)},
          {"views", run.views}};
}

void replace(std::string& text, const std::string& what, std::string_view with) {
  const std::size_t at = text.find(what);
  if (at == std::string::npos) throw Error("the report's template lacks " + what);
  text.replace(at, what.size(), with);
}

/// JSON that cannot end the <script> it stands in.
std::string embedded(const Json& json) {
  std::string text = json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  for (std::size_t at = 0; (at = text.find('<', at)) != std::string::npos;) text.replace(at, 1, "\\u003c");
  return text;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  return out;
}

}  // namespace

void require_run(const fs::path& folder) {
  if (!fs::exists(folder / kRunFacts))
    throw ConfigError(folder.string(), "there is no run here: run.json is missing",
                      "name the folder that cairn train wrote");
}

void write_report(const fs::path& path, const std::string& title, std::span<const ReportedRun> runs,
                  const Comparison* comparison) {
  Json data = {{"title", title}, {"made", utc_time()}, {"comparison", nullptr}, {"runs", Json::array()}};
  if (comparison != nullptr) data["comparison"] = Json::parse(comparison_json(*comparison));
  for (const ReportedRun& run : runs) data["runs"].push_back(run_json(run));
  std::string page(kReportPage);
  replace(page, "@TITLE@", escaped(title));
  replace(page, "@STYLE@", kReportStyle);
  replace(page, "@CHART@", kChartLibrary);
  replace(page, "@SCRIPT@", kReportScript);
  replace(page, "@DATA@", embedded(data));
  write_file_atomically(path, page);
}

}  // namespace cairn

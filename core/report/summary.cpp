#include "report/summary.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "checkpoint/atomic_folder.h"
#include "report/json_text.h"
#include "report/progress_bar.h"

namespace cairn {
namespace {

using Json = nlohmann::ordered_json;

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json result_json(const ResultRow& row) {
  Json out = {{"features", row.name}};
  if (!row.result) return out;
  const ProbeResult& r = *row.result;
  out.update({{"linear", finite(r.linear)},
              {"knn", finite(r.knn)},
              {"feature_std", finite(r.feature_std)},
              {"effective_rank", finite(r.effective_rank)},
              {"rankme", finite(r.rankme)},
              {"lidar", finite(r.lidar)},
              {"alpha_req", finite(r.alpha_req)},
              {"c", finite(r.c)},
              {"width", r.width},
              {"train", r.train},
              {"test", r.test},
              {"classes", r.classes},
              {"unreadable", r.unreadable},
              {"seconds", finite(r.seconds)}});
  if (r.confusion.defined()) {
    Json& rows = out["confusion"] = Json::array();
    for (const at::Tensor& row : r.confusion.to(at::kLong).contiguous().unbind(0)) {
      const auto* counts = row.const_data_ptr<std::int64_t>();
      rows.push_back(std::vector<std::int64_t>(counts, counts + row.numel()));
    }
  }
  return out;
}

Json online_json(const std::vector<OnlineProbe>& probes) {
  Json out = Json::array();
  for (const OnlineProbe& probe : probes)
    out.push_back({{"step", probe.step}, {"linear", finite(probe.linear)}, {"knn", finite(probe.knn)}});
  return out;
}

Json plugins_json(const std::vector<PluginFacts>& plugins) {
  Json out = Json::array();
  for (const PluginFacts& p : plugins)
    out.push_back({{"name", p.name}, {"version", p.version}, {"path", p.path.string()}});
  return out;
}

/// The first line of a file of "key : value" lines whose key is `key`; empty if there is none.
std::string value_of(const char* path, std::string_view key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return {};
}

std::string bytes_text(std::int64_t bytes) {
  const double mebibytes = static_cast<double>(bytes) / (1 << 20);
  return mebibytes < 1024.0 ? fmt::format("{:.0f} MiB", mebibytes) : fmt::format("{:.2f} GiB", mebibytes / 1024.0);
}

}  // namespace

std::string result_table(std::span<const ResultRow> rows, const std::string& reason) {
  const ProbeResult* any = nullptr;
  std::size_t width = 8;
  for (const ResultRow& row : rows) {
    if (row.result) any = &*row.result;
    width = std::max(width, columns(row.name));
  }
  if (!any) return "no probe: " + (reason.empty() ? "nothing was probed" : reason) + "\n";
  std::string out = fmt::format("{:<{}}  {:>9}  {:>9}  {:>11}  {:>14}\n", "features", width, "linear", "kNN",
                                "feature std", "effective rank");
  for (const ResultRow& row : rows) {
    const std::string name = row.name + std::string(width - columns(row.name), ' ');
    if (!row.result) {
      out += fmt::format("{}  {:>9}  {:>9}  {:>11}  {:>14}\n", name, "-", "-", "-", "-");
      continue;
    }
    const ProbeResult& r = *row.result;
    out += fmt::format("{}  {:>7.1f} %  {:>7.1f} %  {:>11.3f}  {:>14.1f}\n", name, 100.0 * r.linear, 100.0 * r.knn,
                       r.feature_std, r.effective_rank);
  }
  out += fmt::format("{} classes, chance {:.1f} %; probes learnt from {} and tested on {} samples", any->classes,
                     100.0 / static_cast<double>(any->classes), any->train, any->test);
  return out + (any->tested_classes < any->classes ? fmt::format(" of only {} classes\n", any->tested_classes) : "\n");
}

void write_run_facts(const std::filesystem::path& path, const RunFacts& facts) {
  Json results = Json::array();
  for (const ResultRow& row : facts.results) results.push_back(result_json(row));
  Json alarms = Json::array();
  for (const Alarm& alarm : facts.alarms)
    alarms.push_back({{"kind", alarm.kind}, {"step", alarm.step}, {"text", alarm.text}});
  Json best = nullptr;
  if (facts.best)
    best = {{"path", facts.best->path.string()},
            {"step", facts.best->step},
            {"measure", facts.best->measure},
            {"value", finite(facts.best->value)}};
  if (facts.best && facts.best->interval)
    best["interval"] = {finite(facts.best->interval->low), finite(facts.best->interval->high)};
  if (facts.best) best["probes"] = online_json(facts.online);
  Json out = {{"status", facts.status},
              {"name", facts.name},
              {"cairn", facts.cairn_version},
              {"torch", facts.torch_version},
              {"plugins", plugins_json(facts.plugins)},
              {"device", facts.device},
              {"cpu", facts.cpu},
              {"threads", facts.threads},
              {"seed", facts.seed},
              {"command", facts.command},
              {"started", facts.started},
              {"ended", facts.ended.empty() ? Json(nullptr) : Json(facts.ended)},
              {"wall_seconds", finite(facts.wall_seconds)},
              {"first_step", facts.first_step},
              {"step", facts.step},
              {"steps", facts.steps},
              {"samples_per_second", or_null(facts.samples_per_second)},
              {"loader_wait_share", finite(facts.loader_wait_share)},
              {"flops_per_step", finite(facts.flops_per_step)},
              {"unreadable_samples", facts.unreadable_samples},
              {"peak_memory_bytes", facts.peak_memory_bytes},
              {"peak_device_memory_bytes", or_null(facts.peak_device_memory_bytes)},
              {"results", results},
              {"best_checkpoint", best},
              {"classes", facts.classes},
              {"alarms", alarms}};
  if (!facts.no_result_reason.empty()) out["no_result_reason"] = facts.no_result_reason;
  if (!facts.error.empty()) out["error"] = facts.error;
  write_file_atomically(path, json_text(out) + "\n");
}

RunFacts earlier_facts(const std::filesystem::path& path) {
  RunFacts facts;
  std::ifstream file(path);
  const Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return facts;
  const auto number = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
  };
  const auto whole = [&](const char* key) { return static_cast<std::int64_t>(number(key).value_or(0.0)); };
  if (const auto found = json.find("started"); found != json.end() && found->is_string())
    facts.started = found->get<std::string>();
  facts.wall_seconds = number("wall_seconds").value_or(0.0);
  facts.step = whole("step");
  facts.samples_per_second = number("samples_per_second");
  facts.loader_wait_share = number("loader_wait_share").value_or(0.0);
  facts.flops_per_step = number("flops_per_step").value_or(0.0);
  facts.peak_memory_bytes = whole("peak_memory_bytes");
  if (number("peak_device_memory_bytes")) facts.peak_device_memory_bytes = whole("peak_device_memory_bytes");
  return facts;
}

void add_pace(RunFacts& facts, const RunFacts& earlier) {
  if (earlier.flops_per_step > 0.0) facts.flops_per_step = earlier.flops_per_step;
  facts.peak_memory_bytes = std::max(facts.peak_memory_bytes, earlier.peak_memory_bytes);
  if (earlier.peak_device_memory_bytes)
    facts.peak_device_memory_bytes =
        std::max(facts.peak_device_memory_bytes.value_or(0), *earlier.peak_device_memory_bytes);
  if (earlier.samples_per_second.value_or(0.0) <= 0.0) return;
  // Times in units of the seconds that one sample of each step takes.
  const double before = static_cast<double>(facts.first_step) / *earlier.samples_per_second;
  const double rate = facts.samples_per_second.value_or(0.0);
  const double now = rate > 0.0 ? static_cast<double>(facts.step - facts.first_step) / rate : 0.0;
  if (!(before + now > 0.0)) return;
  const double steps = static_cast<double>(rate > 0.0 ? facts.step : facts.first_step);
  facts.samples_per_second = steps / (before + now);
  facts.loader_wait_share = (earlier.loader_wait_share * before + facts.loader_wait_share * now) / (before + now);
}

std::string closing_lines(const RunFacts& facts, const std::filesystem::path& run_folder) {
  std::string out;
  if (facts.samples_per_second) out += fmt::format("{} samples/s, ", rate_text(*facts.samples_per_second));
  out += fmt::format("peak memory {}", bytes_text(facts.peak_memory_bytes));
  if (facts.peak_device_memory_bytes) out += fmt::format(" (device {})", bytes_text(*facts.peak_device_memory_bytes));
  out += fmt::format(", wall time {}\n", duration_text(facts.wall_seconds));
  if (facts.unreadable_samples > 0) out += fmt::format("{} samples could not be read\n", facts.unreadable_samples);
  return out + "run folder: " + run_folder.string() + "\n";
}

std::int64_t peak_memory() {
  const std::string text = value_of("/proc/self/status", "VmHWM");
  return text.empty() ? 0 : std::strtoll(text.c_str(), nullptr, 10) * 1024;
}

std::optional<std::int64_t> peak_device_memory(at::Device device) {
  if (device.is_cpu()) return std::nullopt;
  const auto stats =
      at::getDeviceAllocator(device.type())->getDeviceStats(std::max<at::DeviceIndex>(0, device.index()));
  return stats.reserved_bytes[0].peak;
}

std::string cpu_name() {
  const std::string name = value_of("/proc/cpuinfo", "model name");
  return name.empty() ? "unknown" : name;
}

}  // namespace cairn

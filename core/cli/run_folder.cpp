#include "cli/run_folder.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <regex>

#include "cairn/error.h"
#include "cli/written_place.h"
#include "config/experiment.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRuns = "runs";

/// Whether a folder is called by the experiment's name and a time, as choose() calls it: "base-slow-…" is none of
/// "base".
bool is_run_of(const std::string& folder, const std::string& name) {
  if (!folder.starts_with(name + "-")) return false;
  static const std::regex time(R"(\d{8}-\d{6}(-\d+)?)");
  return std::regex_match(folder.substr(name.size() + 1), time);
}

std::optional<fs::path> newest_run(const std::string& name) {
  std::optional<fs::path> newest;
  if (!fs::is_directory(kRuns)) return newest;
  for (const auto& entry : fs::directory_iterator(kRuns)) {
    const fs::path config = entry.path() / kRunConfig;
    if (!is_run_of(entry.path().filename().string(), name) || !fs::exists(config)) continue;
    // Names hold local times, which a change of the clock sets back; when a run was last begun is not in doubt.
    if (!newest || fs::last_write_time(config) > fs::last_write_time(*newest / kRunConfig)) newest = entry.path();
  }
  return newest;
}

/// A folder that did not exist before. Two runs may begin in the same second.
fs::path make_new(const std::string& name) {
  for (int number = 1;; ++number)
    if (fs::path path = fs::path(kRuns) / (number == 1 ? name : fmt::format("{}-{}", name, number));
        cli::make_folder(path, "--run"))
      return path;
}

/// ConfigError for a name that would lead out of runs/, or hide in it.
void check_name(const std::string& name) {
  if (name != "." && name != ".." && name.find('/') == std::string::npos) return;
  throw ConfigError("name", fmt::format("'{}' cannot name a folder in {}/", name, kRuns),
                    "leave out '/', or name the run's folder with --run DIR");
}

fs::path choose(const std::optional<fs::path>& asked, const std::string& name, bool resume) {
  if (asked) return *asked;
  check_name(name);
  if (!resume) {
    const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    std::tm local{};
    localtime_r(&now, &local);
    return make_new(fmt::format("{}-{:%Y%m%d-%H%M%S}", name, local));
  }
  if (const auto newest = newest_run(name)) return *newest;
  throw Error(fmt::format("there is no run of '{}' below {}/ to resume", name, kRuns), "",
              "name its folder with --run DIR, or leave out --resume");
}

}  // namespace

RunFolder::RunFolder(const std::optional<fs::path>& asked, const std::string& name, bool resume)
    : path_(choose(asked, name, resume)) {
  is_new_ = cli::make_folder(path_, "--run") || (!asked && !resume);  // choose() has made it then
  lock_.emplace(path_);
  const bool has_run = fs::exists(file(kRunConfig));
  if (has_run && !resume)
    throw Error("the folder already holds a run", path_.string(),
                "add --resume to go on with it, or name another folder with --run");
}

void RunFolder::discard_if_new() {
  std::error_code ignored;
  if (is_new_) fs::remove_all(path_, ignored);
}

}  // namespace cairn

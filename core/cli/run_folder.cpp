#include "cli/run_folder.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <ctime>

#include "cairn/error.h"
#include "config/experiment.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRuns = "runs";

std::optional<fs::path> newest_run(const std::string& name) {
  std::optional<fs::path> newest;
  if (!fs::is_directory(kRuns)) return newest;
  for (const auto& entry : fs::directory_iterator(kRuns)) {
    const std::string file = entry.path().filename().string();
    // Names end in the time they began, so the last in the alphabet is the newest.
    if (file.starts_with(name + "-") && fs::exists(entry.path() / kRunConfig) && (!newest || entry.path() > *newest))
      newest = entry.path();
  }
  return newest;
}

fs::path choose(const std::optional<fs::path>& asked, const std::string& name, bool resume) {
  if (asked) return *asked;
  if (!resume) {
    const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    std::tm local{};
    localtime_r(&now, &local);
    return fs::path(kRuns) / fmt::format("{}-{:%Y%m%d-%H%M%S}", name, local);
  }
  if (const auto newest = newest_run(name)) return *newest;
  throw Error(fmt::format("there is no run of '{}' below {}/ to resume", name, kRuns), "",
              "name its folder with --run DIR, or leave out --resume");
}

}  // namespace

RunFolder::RunFolder(const std::optional<fs::path>& asked, const std::string& name, bool resume)
    : path_(choose(asked, name, resume)) {
  std::error_code failure;
  is_new_ = fs::create_directories(path_, failure);
  if (failure) throw Error("cannot create the run folder: " + failure.message(), path_.string());
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

#include "checkpoint/step_folders.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";

}  // namespace

fs::path step_folder(const fs::path& checkpoints, std::int64_t step) {
  return checkpoints / fmt::format("{}{:08d}", kPrefix, step);
}

fs::path run_of(const fs::path& checkpoint) {
  const fs::path full = fs::absolute(checkpoint).lexically_normal();
  return (full.has_filename() ? full : full.parent_path()).parent_path().parent_path();
}

std::vector<std::int64_t> saved_steps(const fs::path& checkpoints) {
  std::vector<std::int64_t> found;
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(checkpoints, failure)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix) || !fs::exists(entry.path() / "state.json")) continue;
    std::int64_t step = 0;
    const char* end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
    if (error == std::errc{} && rest == end) found.push_back(step);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::optional<fs::path> newest_checkpoint(const fs::path& checkpoints) {
  const std::vector<std::int64_t> all = saved_steps(checkpoints);
  return all.empty() ? std::nullopt : std::optional(step_folder(checkpoints, all.back()));
}

}  // namespace cairn

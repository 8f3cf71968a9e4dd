#include "interface/shard_files.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <future>
#include <utility>

#include "cairn/error.h"
#include "interface/class_names.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kThreads = 16;  // they wait for a disk or a network rather than compute

/// "{a,b}" and "{00..12}" written out, as WebDataset and shells do.
std::vector<std::string> expand(const std::string& pattern) {
  const std::size_t open = pattern.find('{'), close = pattern.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return {pattern};
  const std::string inside = pattern.substr(open + 1, close - open - 1);
  std::vector<std::string> choices, expanded;
  const std::size_t dots = inside.find("..");
  const auto first = whole_number(inside.substr(0, dots));
  const auto last = dots == std::string::npos ? std::nullopt : whole_number(inside.substr(dots + 2));
  if (first && last && *first >= 0 && *last - *first < 1'000'000) {
    for (std::int64_t i = *first; i <= *last; ++i) {
      const std::string digits = std::to_string(i);
      choices.push_back(std::string(dots - std::min(dots, digits.size()), '0') + digits);
    }
  } else {
    for (std::size_t at = 0; at <= inside.size();) {
      const std::size_t comma = std::min(inside.find(',', at), inside.size());
      choices.push_back(inside.substr(at, comma - at));
      at = comma + 1;
    }
  }
  for (const std::string& rest : expand(pattern.substr(close + 1)))
    for (const std::string& choice : choices) expanded.push_back(pattern.substr(0, open).append(choice).append(rest));
  std::sort(expanded.begin(), expanded.end());
  return expanded;
}

/// The tar files of a folder, sorted by name.
std::vector<fs::path> list_shards(const fs::path& folder) {
  std::vector<fs::path> shards;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (is_shard(it->path())) shards.push_back(it->path());
  if (error) throw DataError("cannot be listed (" + error.message() + ")", folder.string(), "check its permissions");
  if (shards.empty()) throw DataError("holds no .tar files", folder.string(), "give a folder of tar files, or one");
  std::sort(shards.begin(), shards.end());
  return shards;
}

}  // namespace

bool is_shard(const fs::path& path) { return path.extension() == ".tar" && !path.filename().string().starts_with('.'); }

std::vector<fs::path> find_shards(const std::string& path) {
  if (!fs::exists(path) && path.find('{') != std::string::npos) {
    const std::vector<std::string> names = expand(path);
    if (names.empty()) throw DataError("is a pattern of no tar files", path, "name some, such as 'x-{000..146}.tar'");
    return {names.begin(), names.end()};
  }
  if (!fs::exists(path))
    throw DataError(path.empty() ? "no path is given" : "does not exist", path,
                    "give a tar file, a folder of them, or a pattern: \"train-{000..146}.tar\"");
  if (fs::is_directory(path)) return list_shards(path);
  return {path};
}

void for_each_shard(std::size_t count, const std::function<void(std::size_t)>& work) {
  std::vector<std::exception_ptr> failures(count);
  std::atomic<std::size_t> next = 0;
  const auto take = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        failures[i] = std::current_exception();
        next = count;
      }
    }
  };
  std::vector<std::future<void>> threads;
  for (std::size_t i = 0; i < std::min(kThreads, count); ++i) threads.push_back(std::async(std::launch::async, take));
  for (std::future<void>& thread : threads) thread.get();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace cairn

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cairn/error.h"
#include "checkpoint/atomic_folder.h"
#include "cli/commands.h"
#include "interface/shard_files.h"
#include "interface/tar_index.h"
#include "report/json_text.h"

namespace cairn::cli {
namespace {

namespace fs = std::filesystem;

struct IndexArguments {
  std::vector<std::string> paths;
  bool json = false;
};

/// The tar files that a path means, those beneath a folder too.
std::vector<fs::path> shards_of(const std::string& path) {
  if (!fs::is_directory(path)) return find_shards(path);
  std::vector<fs::path> shards;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path))
    if (is_shard(entry.path())) shards.push_back(entry.path());
  return shards.empty() ? find_shards(path) : shards;
}

/// Whether a file that is there already may be replaced.
bool is_index(const fs::path& path) {
  std::ifstream file(path);
  std::string word;
  return fs::is_regular_file(path) && file >> word && word.starts_with("v1.");
}

/// Each tar file once, by its index file. ConfigError where there would be none, or something else is in its place.
std::map<fs::path, fs::path> by_index(const std::vector<std::string>& paths) {
  std::map<fs::path, fs::path> tars;
  for (const std::string& path : paths)
    for (const fs::path& tar : shards_of(path)) {
      if (!fs::exists(tar)) throw ConfigError("PATH", "there is no " + tar.string(), "name tar files that are there");
      const fs::path index = fs::weakly_canonical(index_path(tar));
      const auto [other, is_first] = tars.emplace(index, tar);
      if (!is_first && !fs::equivalent(other->second, tar))
        throw ConfigError("PATH", other->second.string() + " and " + tar.string() + " would share an index file",
                          "name one of them otherwise");
      if (fs::exists(index) && !is_index(index))
        throw ConfigError("PATH", index.string() + " is there, and is no index file", "rename it, or the tar file");
    }
  return tars;
}

int index(const IndexArguments& arguments) {
  const std::map<fs::path, fs::path> tars = by_index(arguments.paths);
  const std::vector<std::pair<fs::path, fs::path>> jobs(tars.begin(), tars.end());
  for_each_shard(jobs.size(),
                 [&](std::size_t i) { write_file_atomically(jobs[i].first, tar_index_text(jobs[i].second)); });
  std::vector<std::string> written;
  for (const auto& [path, tar] : jobs) written.push_back(path.string());
  if (arguments.json) {
    std::cout << json_text(nlohmann::ordered_json{{"files", written}}) << '\n';
  } else {
    for (const std::string& path : written) std::cout << path << '\n';
  }
  return kDone;
}

}  // namespace

void add_index(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("index", "Writes an index file (.idx) beside each tar file, so that opening reads no headers");
  auto arguments = std::make_shared<IndexArguments>();
  command
      ->add_option("path", arguments->paths,
                   "tar files, folders with some beneath, or patterns such as 'train-{000..146}.tar'")
      ->required()
      ->type_name("PATH");
  command->add_flag("--json", arguments->json, "print facts as JSON");
  command->callback([arguments, &session] { session.action = [=] { return index(*arguments); }; });
}

}  // namespace cairn::cli

#include <fmt/format.h>

#include <iostream>
#include <vector>

#include "checkpoint/atomic_folder.h"
#include "cli/commands.h"
#include "interface/shard_files.h"
#include "interface/tar_index.h"

namespace cairn::cli {
namespace {

int index(const std::vector<std::string>& paths) {
  std::vector<std::filesystem::path> shards;
  for (const std::string& path : paths)
    for (auto& shard : find_shards(path)) shards.push_back(std::move(shard));
  for_each_shard(shards.size(),
                 [&](std::size_t i) { write_file_atomically(index_path(shards[i]), tar_index_text(shards[i])); });
  std::cout << fmt::format("wrote {} of {} tar file{}, the first: {}\n",
                           shards.size() == 1 ? "the index" : "the indices", shards.size(),
                           shards.size() == 1 ? "" : "s", index_path(shards.front()).string());
  return kDone;
}

}  // namespace

void add_index(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("index", "Writes an index file (.idx) beside each tar file, so that opening reads no headers");
  auto paths = std::make_shared<std::vector<std::string>>();
  command->add_option("path", *paths, "tar files, folders of them, or patterns such as 'train-{000..146}.tar'")
      ->required()
      ->type_name("PATH");
  command->callback([paths, &session] { session.action = [=] { return index(*paths); }; });
}

}  // namespace cairn::cli

#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "checkpoint/atomic_folder.h"
#include "cli/commands.h"
#include "interface/shard_files.h"
#include "interface/tar_index.h"
#include "report/json_text.h"

namespace cairn::cli {
namespace {

struct IndexArguments {
  std::vector<std::string> paths;
  bool json = false;
};

int index(const IndexArguments& arguments) {
  std::vector<std::filesystem::path> shards;
  for (const std::string& path : arguments.paths)
    for (auto& shard : find_shards(path)) shards.push_back(std::move(shard));
  std::vector<std::string> written(shards.size());
  for_each_shard(shards.size(), [&](std::size_t i) {
    written[i] = index_path(shards[i]).string();
    write_file_atomically(written[i], tar_index_text(shards[i]));
  });
  if (arguments.json) {
    std::cout << json_text(nlohmann::ordered_json{{"files", written}}) << '\n';
    return kDone;
  }
  std::cout << fmt::format("wrote {} of {} tar file{}, the first: {}\n",
                           written.size() == 1 ? "the index" : "the indices", written.size(),
                           written.size() == 1 ? "" : "s", written.front());
  return kDone;
}

}  // namespace

void add_index(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("index", "Writes an index file (.idx) beside each tar file, so that opening reads no headers");
  auto arguments = std::make_shared<IndexArguments>();
  command
      ->add_option("path", arguments->paths, "tar files, folders of them, or patterns such as 'train-{000..146}.tar'")
      ->required()
      ->type_name("PATH");
  command->add_flag("--json", arguments->json, "print facts as JSON");
  command->callback([arguments, &session] { session.action = [=] { return index(*arguments); }; });
}

}  // namespace cairn::cli

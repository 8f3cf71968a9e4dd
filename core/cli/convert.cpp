#include "model/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "cairn/error.h"
#include "checkpoint/cairn_folder.h"
#include "checkpoint/preprocessor.h"
#include "cli/commands.h"
#include "cli/source_arguments.h"
#include "cli/written_place.h"
#include "report/json_text.h"

namespace cairn::cli {
namespace {

namespace fs = std::filesystem;

struct ConvertArguments {
  SourceArguments source;
  std::string to;
  std::string format;
  bool json = false;
};

bool is_written_by_convert(const fs::path& folder) {
  static const std::set<std::string> kFiles = {kCairnFile, kPreprocessorFile, "config.json", "model.safetensors"};
  return fs::is_directory(folder) &&
         std::all_of(fs::directory_iterator(folder), fs::directory_iterator(), [](const fs::directory_entry& entry) {
           return kFiles.contains(entry.path().filename().string());
         });
}

/// What an earlier conversion wrote may be replaced, or an empty folder; nothing else, and never the source.
void require_replaceable(const fs::path& to, const fs::path& source) {
  if (!fs::exists(to)) return;
  if (lies_in(source, to))
    throw ConfigError("DST", to.string() + " holds the source and would be replaced", "name another folder");
  if (!is_written_by_convert(to))
    throw ConfigError("DST", to.string() + " exists and is no earlier conversion: it would be lost",
                      "name a new folder, or remove this one");
}

void print(const OpenedNetwork& network, const ConvertReport& report, const ConvertArguments& arguments) {
  if (arguments.json) {
    std::cout << json_text(nlohmann::ordered_json{{"source", network.origin},
                                                  {"not_loaded", network.not_loaded},
                                                  {"folder", arguments.to},
                                                  {"written_as", report.written_as},
                                                  {"left_out", report.left_out},
                                                  {"difference", report.difference}})
              << '\n';
    return;
  }
  std::cout << fmt::format("wrote     {}: {}\n", arguments.to, report.written_as);
  for (const std::string& part : report.left_out) std::cout << "not in it " << part << '\n';
  std::cout << fmt::format("checked   read back, its features differ by {:.1g} of the largest one\n",
                           report.difference);
}

int convert(const ConvertArguments& arguments, const Session& session) {
  const fs::path to = fs::absolute(arguments.to).lexically_normal();
  require_replaceable(to, arguments.source.path);
  PluginLoader loader = session.loader();
  const OpenedNetwork network = open_network(arguments.source.path, arguments.source.options(), loader);
  if (!arguments.json) std::cout << network.report() << std::flush;
  const ConvertReport report = arguments.format == "cairn"
                                   ? convert_to_cairn(network, to, loader)
                                   : convert_to_huggingface(network, to, arguments.source.partial, loader);
  print(network, report, arguments);
  return kDone;
}

}  // namespace

void add_convert(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("convert", "Writes a network in Cairn's or in Hugging Face's format");
  auto arguments = std::make_shared<ConvertArguments>();
  arguments->source.add_to(*command, "SRC");
  command->add_option("DST", arguments->to, "the folder to write; an earlier conversion there is replaced")
      ->required()
      ->check(not_empty());
  command->add_option("--to", arguments->format, "format to write")
      ->required()
      ->check(CLI::IsMember({"cairn", "huggingface"}));
  command->add_flag("--json", arguments->json, "print facts as JSON");
  command->callback([arguments, &session] { session.action = [=, &session] { return convert(*arguments, session); }; });
}

}  // namespace cairn::cli

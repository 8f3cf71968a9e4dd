#include "model/convert.h"

#include <fmt/format.h>

#include <iostream>

#include "cli/commands.h"
#include "cli/source_arguments.h"

namespace cairn::cli {
namespace {

struct ConvertArguments {
  SourceArguments source;
  std::string to;
  std::string format;
};

int convert(const ConvertArguments& arguments, const Session& session) {
  PluginLoader loader = session.loader();
  const OpenedNetwork network = open_network(arguments.source.path, arguments.source.options(), loader);
  std::cout << network.report() << std::flush;
  const ConvertReport report = arguments.format == "cairn"
                                   ? convert_to_cairn(network, arguments.to, loader)
                                   : convert_to_huggingface(network, arguments.to, arguments.source.partial, loader);
  std::cout << fmt::format("wrote     {}: {}\n", arguments.to, report.written_as);
  for (const std::string& part : report.left_out) std::cout << "not in it " << part << '\n';
  std::cout << fmt::format("checked   read back, its features differ by {:.1g} of the largest one\n",
                           report.difference);
  return kDone;
}

}  // namespace

void add_convert(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("convert", "Writes a network in Cairn's or in Hugging Face's format");
  auto arguments = std::make_shared<ConvertArguments>();
  arguments->source.add_to(*command, "SRC");
  command->add_option("DST", arguments->to, "the folder to write; replaced if it is there")->required();
  command->add_option("--to", arguments->format, "format to write")
      ->required()
      ->check(CLI::IsMember({"cairn", "huggingface"}));
  command->callback([arguments, &session] { session.action = [=, &session] { return convert(*arguments, session); }; });
}

}  // namespace cairn::cli

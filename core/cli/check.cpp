#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/compose.h"
#include "config/document.h"
#include "nn/skip_random_fill.h"

namespace cairn::cli {
namespace {

struct Arguments {
  ExperimentArguments experiment;
  bool json = false;
};

/// What an experiment is made of: pairs of table and type.
std::vector<std::pair<std::string, std::string>> parts(const Experiment& experiment) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const ResolvedTable& table : experiment.document->tables())
    if (!table.type.empty()) out.emplace_back(table.path, table.type);
  return out;
}

int check(const Arguments& arguments, const Session& session) {
  PluginLoader loader = session.loader();
  const Experiment experiment = load_experiment(arguments.experiment.file, arguments.experiment.sets, loader);
  const nn::SkipRandomFill shapes_alone;  // no weight is looked at, and a big network has gigabytes of them
  const std::unique_ptr<Composition> composition = compose(experiment, loader);
  const std::vector<std::string> initial = take_initial(experiment, *composition, loader);
  if (arguments.json) {
    nlohmann::ordered_json out = {{"experiment", arguments.experiment.file}, {"name", experiment.name}, {"ok", true}};
    for (const auto& [table, type] : parts(experiment)) out["components"][table] = type;
    std::cout << out.dump(2) << '\n';
    return kDone;
  }
  for (const auto& [table, type] : parts(experiment))
    std::cout << table << std::string(table.size() < 14 ? 14 - table.size() : 1, ' ') << type << '\n';
  std::cout << describe(*composition);
  for (const std::string& line : initial) std::cout << "initial weights: " << line << '\n';
  std::cout << arguments.experiment.file << ": no problem found\n";
  return kDone;
}

}  // namespace

void add_check(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("check", "Does everything but train, and reports every problem at once");
  auto arguments = std::make_shared<Arguments>();
  arguments->experiment.add_to(*command);
  command->add_flag("--json", arguments->json, "print facts as JSON");
  command->callback([arguments, &session] { session.action = [=, &session] { return check(*arguments, session); }; });
}

}  // namespace cairn::cli

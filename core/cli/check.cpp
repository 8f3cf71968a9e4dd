#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/compose.h"
#include "config/document.h"
#include "nn/skip_random_fill.h"
#include "report/json_text.h"

namespace cairn::cli {
namespace {

struct CheckArguments {
  std::vector<std::string> files, sets;
  bool json = false;
};

/// What an experiment is made of: pairs of table and type.
std::vector<std::pair<std::string, std::string>> parts(const Experiment& experiment) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const ResolvedTable& table : experiment.document->tables())
    if (!table.type.empty()) out.emplace_back(table.path, table.type);
  return out;
}

/// An experiment that was composed, and what initial weights it takes.
struct Checked {
  Experiment experiment;
  std::unique_ptr<Composition> composition;
  std::vector<std::string> initial;
};

Checked check(const std::string& file, const std::vector<std::string>& sets, PluginLoader& loader) {
  const nn::SkipRandomFill shapes_alone;  // no weight is looked at, and a big network has gigabytes of them
  Checked checked{load_experiment(file, sets, loader), nullptr, {}};
  checked.composition = compose(checked.experiment, loader);
  checked.initial = take_initial(checked.experiment, *checked.composition, loader);
  return checked;
}

nlohmann::ordered_json facts(const std::string& file, const Experiment& experiment) {
  nlohmann::ordered_json out = {{"experiment", file}, {"name", experiment.name}, {"ok", true}};
  for (const auto& [table, type] : parts(experiment)) out["components"][table] = type;
  return out;
}

void print(const Checked& checked) {
  for (const auto& [table, type] : parts(checked.experiment))
    std::cout << table << std::string(table.size() < 14 ? 14 - table.size() : 1, ' ') << type << '\n';
  std::cout << describe(*checked.composition);
  for (const std::string& line : checked.initial) std::cout << "initial weights: " << line << '\n';
}

/// One experiment: what it is made of.
int check_one(const CheckArguments& arguments, PluginLoader& loader) {
  const std::string& file = arguments.files.front();
  print(check(file, arguments.sets, loader));
  std::cout << file << ": no problem found\n";
  return kDone;
}

/// A line for each that is sound, and the problems of all others; or as JSON, of one file without an array around it.
int check_all(const CheckArguments& arguments, PluginLoader& loader) {
  int worst = kDone;
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const std::string& file : arguments.files) {
    const int code = guarded([&] {
      all.push_back(facts(file, check(file, arguments.sets, loader).experiment));
      if (!arguments.json)
        std::cout << file << ": no problem found\n" << std::flush;  // in order with what goes to stderr
      return kDone;
    });
    if (code != kDone) all.push_back({{"experiment", file}, {"ok", false}});
    worst = std::max(worst, code);
  }
  if (arguments.json) std::cout << json_text(all.size() == 1 ? all.front() : all) << '\n';
  return worst;
}

}  // namespace

void add_check(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("check", "Does everything but train, and reports every problem at once");
  auto arguments = std::make_shared<CheckArguments>();
  command->add_option("experiment", arguments->files, "one experiment or several, TOML files")
      ->required()
      ->type_name("EXPERIMENT.toml");
  add_sets(*command, arguments->sets);
  command->add_flag("--json", arguments->json, "print facts as JSON");
  command->callback([arguments, &session] {
    session.action = [=, &session] {
      PluginLoader loader = session.loader();
      const bool in_short = arguments->json || arguments->files.size() > 1;
      return in_short ? check_all(*arguments, loader) : check_one(*arguments, loader);
    };
  });
}

}  // namespace cairn::cli

#include <iostream>
#include <nlohmann/json.hpp>

#include "checkpoint/json_value.h"
#include "cli/commands.h"
#include "config/difference.h"
#include "report/json_text.h"

namespace cairn::cli {
namespace {

struct ConfigArguments {
  ExperimentArguments experiment;
  std::string other;
  bool plain = false;
  bool json = false;
};

std::string origin_text(const ResolvedEntry& entry) { return entry.origin ? entry.origin->text() : "default"; }

void print_side(char sign, const std::string& key, const ResolvedEntry* entry) {
  if (entry != nullptr)
    std::cout << sign << ' ' << key << " = " << entry->value.text() << "  # " << origin_text(*entry) << '\n';
}

/// Prints settings that differ, `-` the first experiment's, `+` the second's.
void print_differences(const std::vector<Difference>& all) {
  for (const Difference& each : all) {
    print_side('-', each.key, each.before);
    print_side('+', each.key, each.after);
  }
}

nlohmann::ordered_json facts_of(const ResolvedEntry& entry) {
  return {{"value", to_json(entry.value)}, {"origin", origin_text(entry)}};
}

void print_differences_as_json(const std::vector<Difference>& all) {
  const auto side = [](const ResolvedEntry* entry) { return entry ? facts_of(*entry) : nlohmann::ordered_json(); };
  auto out = nlohmann::ordered_json::object();
  for (const Difference& each : all) out[each.key] = {{"before", side(each.before)}, {"after", side(each.after)}};
  std::cout << json_text(out) << '\n';
}

void print_json(const Experiment& experiment) {
  nlohmann::ordered_json out;
  for (const ResolvedTable& table : experiment.document->tables())
    for (const ResolvedEntry& entry : table.entries) out[dotted_key(table, entry)] = facts_of(entry);
  std::cout << json_text(out) << '\n';
}

int config(const ConfigArguments& arguments, const Session& session) {
  PluginLoader loader = session.loader();
  const Experiment experiment = arguments.experiment.load(loader);
  if (!arguments.other.empty()) {
    const Experiment other = load_experiment(arguments.other, {}, loader);
    const auto print = arguments.json ? print_differences_as_json : print_differences;
    print(differences(*experiment.document, *other.document));
  } else if (arguments.json) {
    print_json(experiment);
  } else {
    std::cout << experiment.document->toml(!arguments.plain);
  }
  return kDone;
}

}  // namespace

void add_config(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("config", "Prints the resolved experiment, each line with its origin");
  auto arguments = std::make_shared<ConfigArguments>();
  arguments->experiment.add_to(*command);
  command->add_option("--diff", arguments->other, "print only what differs in this experiment")
      ->type_name("OTHER.toml");
  command->add_flag("--plain", arguments->plain, "without origins");
  command->add_flag("--json", arguments->json, "print values and origins as JSON, with --diff of both experiments");
  command->callback([arguments, &session] { session.action = [=, &session] { return config(*arguments, session); }; });
}

}  // namespace cairn::cli

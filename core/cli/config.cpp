#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "checkpoint/json_value.h"
#include "cli/commands.h"
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

using Entries = std::vector<std::pair<std::string, const ResolvedEntry*>>;

/// Every entry under its dotted key, in order.
Entries entries(const Experiment& experiment) {
  Entries out;
  for (const ResolvedTable& table : experiment.document->tables())
    for (const ResolvedEntry& entry : table.entries)
      out.emplace_back((table.path.empty() ? "" : table.path + ".") + entry.key, &entry);
  return out;
}

const ResolvedEntry* find(const Entries& all, const std::string& key) {
  for (const auto& [name, entry] : all)
    if (name == key) return entry;
  return nullptr;
}

void print_side(char sign, const std::string& key, const ResolvedEntry* entry) {
  if (entry != nullptr)
    std::cout << sign << ' ' << key << " = " << entry->value.text() << "  # " << origin_text(*entry) << '\n';
}

/// Prints the settings in which two experiments differ, `-` the first, `+` the second.
void print_difference(const Experiment& first, const Experiment& second) {
  const Entries before = entries(first), after = entries(second);
  for (const auto& [key, entry] : before) {
    const ResolvedEntry* other = find(after, key);
    if (other != nullptr && other->value == entry->value) continue;
    print_side('-', key, entry);
    print_side('+', key, other);
  }
  for (const auto& [key, entry] : after)
    if (find(before, key) == nullptr) print_side('+', key, entry);
}

void print_json(const Experiment& experiment) {
  nlohmann::ordered_json out;
  for (const auto& [key, entry] : entries(experiment))
    out[key] = {{"value", to_json(entry->value)}, {"origin", origin_text(*entry)}};
  std::cout << json_text(out) << '\n';
}

int config(const ConfigArguments& arguments, const Session& session) {
  PluginLoader loader = session.loader();
  const Experiment experiment = load_experiment(arguments.experiment.file, arguments.experiment.sets, loader);
  if (!arguments.other.empty()) {
    print_difference(experiment, load_experiment(arguments.other, {}, loader));
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
  command->add_flag("--json", arguments->json, "print values and origins as JSON");
  command->callback([arguments, &session] { session.action = [=, &session] { return config(*arguments, session); }; });
}

}  // namespace cairn::cli

#include <algorithm>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "cairn/error.h"
#include "cli/child.h"
#include "cli/commands.h"
#include "config/shipped.h"
#include "interface/suggest.h"
#include "plugin/guard.h"

namespace cairn::cli {
namespace {

using AddCommand = void (*)(CLI::App&, Session&);

/// Every command of the program, in the order --help shows them.
constexpr AddCommand kCommands[] = {add_train,      add_compare, add_probe,   add_extract, add_convert, add_report,
                                    add_check,      add_config,  add_preview, add_plugins, add_inspect, add_index,
                                    add_new_plugin, add_conform, add_verify,  add_bench,   add_info};

int fail(const std::string& text, int code) {
  std::cerr << "error: " << text << '\n';
  return code;
}

/// The first word that names no command where one is wanted, told with the nearest that does; empty if there is none.
std::string unknown_command(const CLI::App& app, std::span<char* const> words) {
  const CLI::App* at = &app;
  for (std::size_t i = 1; i < words.size() && at->get_require_subcommand_min() > 0; ++i) {
    const std::string word = words[i];
    if (word == "--plugin-path") ++i;
    if (word.starts_with("-")) continue;
    std::vector<std::string> names;
    for (const CLI::App* each : at->get_subcommands([](const CLI::App*) { return true; }))
      names.push_back(each->get_name());
    if (std::find(names.begin(), names.end(), word) == names.end()) {
      const std::string near = did_you_mean(word, names);
      return "there is no command '" + at->get_name() + " " + word + "'; " + (near.empty() ? "see --help" : near);
    }
    at = at->get_subcommand(word);
  }
  return "";
}

}  // namespace

int guarded(const std::function<int()>& action) {
  try {
    return action();
  } catch (const ExperimentError& error) {
    std::cerr << error.what() << '\n';
    return kWrongUse;
  } catch (const ConfigError& error) {
    return fail(error.what(), kWrongUse);
  } catch (const UnknownNameError& error) {
    return fail(error.what(), kWrongUse);
  } catch (const std::exception& error) {
    return fail(exception_text(error), kFailed);
  }
}

PluginLoader Session::loader() const { return PluginLoader({plugin_path.begin(), plugin_path.end()}); }

CLI::Option* ExperimentArguments::add_to(CLI::App& command) {
  const std::string stands_in = shipped.empty() ? "" : "; default: configs/" + shipped + " of Cairn's own";
  CLI::Option* option = command.add_option("experiment", file, "the experiment, a TOML file" + stands_in);
  option->required(shipped.empty())->type_name("EXPERIMENT.toml")->check(not_empty());
  add_sets(command, sets);
  return option;
}

Experiment ExperimentArguments::load(PluginLoader& plugins) const {
  return load_experiment(file.empty() ? shipped_experiment(shipped) : std::filesystem::path(file), sets, plugins);
}

CLI::Option* add_sets(CLI::App& command, std::vector<std::string>& sets) {
  return command.add_option("--set", sets, "override one setting, as in --set optim.lr=1e-3; may be given again")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

void add_threads(CLI::App& command, std::int64_t& threads) {
  command.add_option("--threads", threads, "compute threads on the CPU; 0: OMP_NUM_THREADS, or one a core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
}

}  // namespace cairn::cli

int main(int argc, char** argv) {
  using namespace cairn::cli;
  cairn::follow_parent();
  CLI::App app("Cairn: self-supervised learning with plugins", "cairn");
  Session session;
  session.command.assign(argv, argv + argc);
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", "cairn " CAIRN_VERSION);
  app.add_option("--plugin-path", session.plugin_path, "folder searched first for plugins; may be given again")
      ->type_name("FOLDER")
      ->allow_extra_args(false);
  for (const AddCommand add : kCommands) add(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (const std::string unknown = unknown_command(app, {argv, static_cast<std::size_t>(argc)}); !unknown.empty())
      return fail(unknown, kWrongUse);
    return app.exit(error) == 0 ? kDone : kWrongUse;
  }
  const int code = guarded(session.action);
  std::cout.flush();
  return std::cout || code != kDone ? code : fail("the output could not be written", kFailed);
}

#include <c10/util/Exception.h>

#include <iostream>

#include "cairn/error.h"
#include "cli/commands.h"

namespace cairn::cli {
namespace {

using AddCommand = void (*)(CLI::App&, Session&);

/// Every command of the program, in the order --help shows them.
constexpr AddCommand kCommands[] = {add_train,   add_compare, add_probe,   add_extract, add_convert, add_report,
                                    add_check,   add_config,  add_preview, add_plugins, add_inspect, add_new_plugin,
                                    add_conform, add_verify,  add_bench,   add_info};

int fail(const std::string& text, int code) {
  std::cerr << "error: " << text << '\n';
  return code;
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
  } catch (const c10::Error& error) {
    return fail(error.what_without_backtrace(), kFailed);
  } catch (const std::exception& error) {
    return fail(error.what(), kFailed);
  }
}

PluginLoader Session::loader() const { return PluginLoader({plugin_path.begin(), plugin_path.end()}); }

void ExperimentArguments::add_to(CLI::App& command) {
  command.add_option("experiment", file, "the experiment, a TOML file")->required()->type_name("EXPERIMENT.toml");
  add_sets(command, sets);
}

void add_sets(CLI::App& command, std::vector<std::string>& sets) {
  command.add_option("--set", sets, "override one setting, as in --set optim.lr=1e-3; may be given again")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

}  // namespace cairn::cli

int main(int argc, char** argv) {
  using namespace cairn::cli;
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
    return app.exit(error) == 0 ? kDone : kWrongUse;
  }
  return guarded(session.action);
}

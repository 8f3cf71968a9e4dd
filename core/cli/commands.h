#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "config/load.h"
#include "plugin/loader.h"

namespace cairn::cli {

inline constexpr int kDone = 0, kFailed = 1, kWrongUse = 2;

/// What every command shares. A command's callback sets `action`, which main() runs once the line is parsed.
struct Session {
  std::vector<std::string> plugin_path;
  std::vector<std::string> command;  // the whole line, for run.json
  std::function<int()> action;

  /// A loader with --plugin-path in front.
  PluginLoader loader() const;
};

/// What `action` returns; its errors go to stderr and become exit codes.
int guarded(const std::function<int()>& action);

/// Any number of --set KEY=VALUE.
CLI::Option* add_sets(CLI::App& command, std::vector<std::string>& sets);
/// --threads, for use_threads().
void add_threads(CLI::App& command, std::int64_t& threads);

/// The experiment a command is given: EXPERIMENT.toml and any number of --set.
struct ExperimentArguments {
  std::string file;
  std::vector<std::string> sets;
  std::string shipped = {};  // Cairn's own that stands in where none is named, as in "ijepa/quickstart.toml"

  /// The option that names the file, required where nothing stands in.
  CLI::Option* add_to(CLI::App& command);
  Experiment load(PluginLoader& plugins) const;
};

/// Lets numbers above 0 pass. CLI11's own check answers with the largest number there is.
inline CLI::Validator above_zero() {
  return {[](const std::string& text) {
            return std::strtod(text.c_str(), nullptr) > 0.0 ? std::string() : text + " is not a number above 0";
          },
          ""};
}

/// Lets any text but the empty one pass.
inline CLI::Validator not_empty() {
  return {[](const std::string& text) { return std::string(text.empty() ? "a name is wanted, got nothing" : ""); }, ""};
}

/// Lets numbers from 0 up pass.
inline CLI::Validator from_zero() {
  return {[](const std::string& text) {
            return std::strtod(text.c_str(), nullptr) >= 0.0 ? std::string() : text + " is not a number from 0 up";
          },
          ""};
}

// Each adds one command to the program.
void add_conform(CLI::App& app, Session& session);
void add_new_plugin(CLI::App& app, Session& session);
void add_train(CLI::App& app, Session& session);
void add_compare(CLI::App& app, Session& session);
void add_probe(CLI::App& app, Session& session);
void add_report(CLI::App& app, Session& session);
void add_check(CLI::App& app, Session& session);
void add_config(CLI::App& app, Session& session);
void add_plugins(CLI::App& app, Session& session);
void add_inspect(CLI::App& app, Session& session);
void add_index(CLI::App& app, Session& session);
void add_convert(CLI::App& app, Session& session);
void add_extract(CLI::App& app, Session& session);
void add_verify(CLI::App& app, Session& session);
void add_preview(CLI::App& app, Session& session);
void add_bench(CLI::App& app, Session& session);
void add_info(CLI::App& app, Session& session);

}  // namespace cairn::cli

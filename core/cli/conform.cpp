#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cairn/error.h"
#include "checkpoint/option_table.h"
#include "cli/commands.h"
#include "config/toml_text.h"
#include "conformance/kit.h"
#include "report/json_text.h"
#include "report/terminal.h"

namespace cairn::cli {
namespace {

namespace fs = std::filesystem;
using conformance::Finding;
using conformance::Outcome;

struct ConformArguments {
  std::string plugin;
  std::vector<std::string> sets;
  bool json = false;
};

/// "radar.waves.path=/data": an option of a component.
conformance::ComponentOptions component_options(const std::vector<std::string>& sets) {
  conformance::ComponentOptions options;
  for (const auto& [key, value] : parse_overrides(sets)) {
    const std::size_t dot = key.rfind('.');
    if (dot == std::string::npos || key.find('.') == dot)
      throw ConfigError("--set", "'" + key + "' names no option of a component",
                        "write it as PLUGIN.COMPONENT.OPTION=VALUE");
    set_option(options[key.substr(0, dot)], key.substr(dot + 1), value);
  }
  return options;
}

/// The plugin a file holds: its folder is searched first, so that the file's own name must be right.
const Plugin& load(const std::string& argument, PluginLoader& loader) {
  const std::string name = fs::path(argument).filename().string();
  return loader.load(name.substr(6, name.size() - 9));  // cairn-NAME.so
}

bool is_plugin_file(const std::string& argument) {
  const std::string name = fs::path(argument).filename().string();
  return name.starts_with("cairn-") && name.ends_with(".so") && name.size() > 9;
}

/// Looks for the plugin: a file's folder comes before --plugin-path.
PluginLoader loader_for(const ConformArguments& arguments, const Session& session) {
  std::vector<fs::path> folders;
  if (is_plugin_file(arguments.plugin)) folders.push_back(fs::absolute(arguments.plugin).parent_path());
  folders.insert(folders.end(), session.plugin_path.begin(), session.plugin_path.end());
  return PluginLoader(std::move(folders));
}

const char* outcome_name(Outcome outcome) {
  return outcome == Outcome::passed ? "ok" : outcome == Outcome::failed ? "FAILED" : "skipped";
}

/// Prints findings as they are made, a paragraph for each subject.
class Printer {
 public:
  void operator()(const Finding& finding) {
    if (finding.subject != subject_) terminal_.line((subject_.empty() ? "" : "\n") + finding.subject);
    subject_ = finding.subject;
    const auto tone = finding.outcome == Outcome::passed   ? Terminal::Tone::good
                      : finding.outcome == Outcome::failed ? Terminal::Tone::bad
                                                           : Terminal::Tone::faint;
    const bool is_long = finding.detail.find('\n') != std::string::npos;
    terminal_.line(fmt::format("  {} {}{}", terminal_.paint(fmt::format("{:8}", outcome_name(finding.outcome)), tone),
                               finding.check, finding.detail.empty() || is_long ? "" : ": " + finding.detail));
    if (is_long) indented(finding.detail);
    if (!finding.advice.empty()) indented("look at: " + finding.advice);
  }

  void summary(const conformance::Findings& findings) {
    terminal_.line(fmt::format("\n{} checks: {} ok, {} failed, {} skipped", findings.all().size(),
                               findings.count(Outcome::passed), findings.count(Outcome::failed),
                               findings.count(Outcome::skipped)));
  }

 private:
  void indented(const std::string& text) {
    std::size_t begin = 0;
    while (begin <= text.size()) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      terminal_.line("           " + text.substr(begin, end - begin));
      begin = end + 1;
    }
  }

  Terminal terminal_{stdout};
  std::string subject_;
};

void print_json(const Plugin& plugin, const conformance::Findings& findings) {
  nlohmann::ordered_json out = {{"plugin", plugin.name},
                                {"version", plugin.version},
                                {"file", plugin.path.string()},
                                {"passed", findings.count(Outcome::passed)},
                                {"failed", findings.count(Outcome::failed)},
                                {"skipped", findings.count(Outcome::skipped)},
                                {"checks", nlohmann::json::array()}};
  for (const Finding& finding : findings.all()) {
    nlohmann::ordered_json check = {
        {"subject", finding.subject}, {"check", finding.check}, {"outcome", outcome_name(finding.outcome)}};
    if (!finding.detail.empty()) check["detail"] = finding.detail;
    if (!finding.advice.empty()) check["advice"] = finding.advice;
    out["checks"].push_back(std::move(check));
  }
  std::cout << json_text(out) << '\n';
}

int conform(const ConformArguments& arguments, const Session& session) {
  if (!is_plugin_file(arguments.plugin) && arguments.plugin.find_first_of("/.") != std::string::npos)
    throw ConfigError("", "'" + arguments.plugin + "' is not the name of a plugin's file",
                      "it is called cairn-NAME.so");
  const auto options = component_options(arguments.sets);
  PluginLoader loader = loader_for(arguments, session);
  const Plugin& plugin =
      is_plugin_file(arguments.plugin) ? load(arguments.plugin, loader) : loader.load(arguments.plugin);
  Printer printer;
  conformance::Findings findings([&](const Finding& finding) {
    if (!arguments.json) printer(finding);
  });
  conformance::run_kit(plugin, options, findings);
  if (arguments.json) {
    print_json(plugin, findings);
  } else {
    printer.summary(findings);
  }
  return findings.count(Outcome::failed) == 0 ? kDone : kFailed;
}

}  // namespace

void add_conform(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("conform", "Holds a plugin against what Cairn relies on, and says where to look");
  auto arguments = std::make_shared<ConformArguments>();
  command->add_option("plugin", arguments->plugin, "the plugin's file, or its name where it is on the path")
      ->required()
      ->type_name("PLUGIN.so");
  command
      ->add_option("--set", arguments->sets,
                   "an option of a component, as in --set radar.scans.path=DATA; may be given again")
      ->type_name("COMPONENT.OPTION=VALUE")
      ->allow_extra_args(false);
  command->add_flag("--json", arguments->json, "print facts as JSON");
  command->callback([arguments, &session] { session.action = [=, &session] { return conform(*arguments, session); }; });
}

}  // namespace cairn::cli

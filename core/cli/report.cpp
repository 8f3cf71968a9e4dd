#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "cairn/error.h"
#include "cli/commands.h"
#include "cli/run_views.h"
#include "interface/lower_case.h"
#include "report/html_report.h"
#include "report/json_text.h"
#include "report/run_labels.h"

namespace cairn::cli {
namespace {

namespace fs = std::filesystem;

struct ReportArguments {
  std::vector<std::string> runs;
  std::string out;
  std::string title;
  bool no_views = false;
  bool json = false;
};

/// The folders, each once.
std::vector<fs::path> folders_of(const std::vector<std::string>& runs) {
  std::vector<fs::path> folders;
  for (const fs::path folder : runs)
    if (std::none_of(folders.begin(), folders.end(), [&](const fs::path& known) {
          return fs::weakly_canonical(known) == fs::weakly_canonical(folder);
        }))
      folders.push_back(folder);
  return folders;
}

/// A slip of the name would replace settings or weights by a page.
void require_page(const std::string& out) {
  const std::string ending = lower_case(fs::path(out).extension().string());
  if (!out.empty() && ending != ".html" && ending != ".htm")
    throw ConfigError("--out", "'" + out + "' has not the ending of a page", "name a file that ends with .html");
}

int report(const ReportArguments& arguments, const Session& session) {
  require_page(arguments.out);
  const std::vector<fs::path> folders = folders_of(arguments.runs);
  for (const fs::path& folder : folders) require_run(folder);
  const std::vector<std::string> labels = run_labels(folders);
  PluginLoader loader = session.loader();
  std::vector<ReportedRun> runs;
  for (std::size_t i = 0; i < folders.size(); ++i) {
    ReportedRun run{labels[i], folders[i]};
    if (!arguments.no_views) run.views = run_views(folders[i], loader);
    runs.push_back(std::move(run));
  }
  const fs::path out =
      arguments.out.empty() ? fs::path(arguments.runs.front()) / "report.html" : fs::path(arguments.out);
  write_report(out, arguments.title.empty() ? runs.front().label : arguments.title, runs, nullptr);
  if (arguments.json) {
    nlohmann::ordered_json facts = {{"page", out.string()}, {"runs", nlohmann::ordered_json::array()}};
    for (const ReportedRun& run : runs) facts["runs"].push_back({{"label", run.label}, {"run", run.folder.string()}});
    std::cout << json_text(facts) << '\n';
  } else {
    std::cout << out.string() << '\n';
  }
  return kDone;
}

}  // namespace

void add_report(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("report", "Writes one HTML page about runs, readable without a network");
  auto arguments = std::make_shared<ReportArguments>();
  command->add_option("run", arguments->runs, "run folders")->required()->type_name("RUN");
  command->add_option("--out", arguments->out, "the page; default: report.html in the first run")
      ->type_name("FILE.html");
  command->add_option("--title", arguments->title, "what stands on top");
  command->add_flag("--no-views", arguments->no_views, "leave out what needs the networks: tokens, neighbours, masks");
  command->add_flag("--json", arguments->json, "print facts as JSON");
  command->callback([arguments, &session] { session.action = [=, &session] { return report(*arguments, session); }; });
}

}  // namespace cairn::cli

#include <iostream>
#include <memory>

#include "cairn/error.h"
#include "cli/commands.h"
#include "cli/device.h"
#include "cli/run_views.h"
#include "report/html_report.h"

namespace cairn::cli {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::vector<std::string> runs;
  std::string out;
  std::string title;
  bool no_views = false;
};

std::string label_of(const fs::path& folder) {
  const fs::path clean = fs::absolute(folder).lexically_normal();
  return (clean.has_filename() ? clean : clean.parent_path()).filename().string();
}

int report(const Arguments& arguments, const Session& session) {
  std::vector<ReportedRun> runs;
  for (const std::string& folder : arguments.runs) {
    ReportedRun run{label_of(folder), folder};
    if (!arguments.no_views) {
      try {
        PluginLoader loader = session.loader();
        run.views = run_views(open_run(folder, {}, loader, at::kCPU), at::kCPU);
      } catch (const Error& error) {
        std::cerr << "no pictures of " << folder << ": " << error.what() << '\n';
      }
    }
    runs.push_back(std::move(run));
  }
  const fs::path out =
      arguments.out.empty() ? fs::path(arguments.runs.front()) / "report.html" : fs::path(arguments.out);
  write_report(out, arguments.title.empty() ? runs.front().label : arguments.title, runs, nullptr);
  std::cout << out.string() << '\n';
  return kDone;
}

}  // namespace

void add_report(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("report", "Writes one HTML page about runs, readable without a network");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("run", arguments->runs, "run folders")->required()->type_name("RUN");
  command->add_option("--out", arguments->out, "the page; default: report.html in the first run")->type_name("FILE");
  command->add_option("--title", arguments->title, "what stands on top");
  command->add_flag("--no-views", arguments->no_views, "leave out what needs the networks: tokens, neighbours, masks");
  command->callback([arguments, &session] { session.action = [=, &session] { return report(*arguments, session); }; });
}

}  // namespace cairn::cli

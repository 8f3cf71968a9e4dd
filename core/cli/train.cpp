#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "checkpoint/file_writer.h"
#include "cli/commands.h"
#include "cli/compose.h"
#include "cli/train_session.h"
#include "report/json_text.h"

namespace cairn::cli {
namespace {

using Json = nlohmann::ordered_json;

struct TrainArguments {
  ExperimentArguments experiment;
  std::string run;
  std::string device = "auto";
  bool resume = false;
  bool json = false;
};

/// run.json, and before it where the run lies.
std::string facts_of(const std::filesystem::path& run) {
  std::ifstream file(run / "run.json");
  Json out = {{"run", run.string()}};
  out.update(Json::parse(file));
  return json_text(out);
}

int train(const TrainArguments& arguments, const Session& session) {
  ignore_file_size_signal();
  PluginLoader loader = session.loader();
  TrainRequest request;
  request.experiment = arguments.experiment.load(loader);
  const std::unique_ptr<Composition> parts = compose(request.experiment, loader);
  for (const Plugin& plugin : loader.loaded()) request.plugins.push_back({plugin.name, plugin.version, plugin.path});
  if (!arguments.run.empty()) request.run = arguments.run;
  request.resume = arguments.resume;
  request.device = arguments.device;
  request.command = session.command;
  const TrainEnd end = run_training(request, *parts, loader);
  if (arguments.json) std::cout << facts_of(end.run) << '\n';
  return end.code;
}

}  // namespace

void add_train(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("train", "Trains an experiment, probes it and prints what it learnt");
  auto arguments = std::make_shared<TrainArguments>();
  arguments->experiment.add_to(*command);
  command->add_option("--run", arguments->run, "the run's folder; default: runs/NAME-DATE")->type_name("DIR");
  command->add_flag("--resume", arguments->resume, "go on from the newest checkpoint of --run, or of the newest run");
  command->add_option("--device", arguments->device, "auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "print run.json in the end; progress goes to stderr as ever");
  command->callback([arguments, &session] { session.action = [=, &session] { return train(*arguments, session); }; });
}

}  // namespace cairn::cli

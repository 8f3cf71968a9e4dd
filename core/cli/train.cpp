#include <memory>

#include "checkpoint/file_writer.h"
#include "cli/commands.h"
#include "cli/compose.h"
#include "cli/train_session.h"

namespace cairn::cli {
namespace {

struct TrainArguments {
  ExperimentArguments experiment;
  std::string run;
  std::string device = "auto";
  bool resume = false;
};

int train(const TrainArguments& arguments, const Session& session) {
  ignore_file_size_signal();
  PluginLoader loader = session.loader();
  TrainRequest request;
  request.experiment = load_experiment(arguments.experiment.file, arguments.experiment.sets, loader);
  const std::unique_ptr<Composition> parts = compose(request.experiment, loader);
  for (const Plugin& plugin : loader.loaded()) request.plugins.push_back({plugin.name, plugin.version, plugin.path});
  if (!arguments.run.empty()) request.run = arguments.run;
  request.resume = arguments.resume;
  request.device = arguments.device;
  request.command = session.command;
  return run_training(request, *parts, loader);
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
  command->callback([arguments, &session] { session.action = [=, &session] { return train(*arguments, session); }; });
}

}  // namespace cairn::cli

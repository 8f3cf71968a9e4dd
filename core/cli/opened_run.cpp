#include "cli/opened_run.h"

#include "cairn/error.h"
#include "checkpoint/step_folders.h"
#include "cli/compose.h"
#include "cli/run_folder.h"
#include "config/experiment.h"
#include "config/load.h"
#include "model/data_source.h"
#include "train/checkpoints.h"

namespace cairn::cli {
namespace {

namespace fs = std::filesystem;

/// The run that `source` is, or that it is a checkpoint of.
fs::path run_folder(const fs::path& source) {
  if (fs::exists(source / kRunConfig)) return source;
  const fs::path run = run_of(source);
  if (fs::exists(source / "state.json") && fs::exists(run / kRunConfig)) return run;
  throw ConfigError(source.string(), "this is neither a run nor a checkpoint of one",
                    "name a folder that cairn train wrote, or a folder in its checkpoints/");
}

/// Composes a run with `sets` on top of its experiment, which are about its data.
void set_data(OpenedRun& run, const std::vector<std::string>& sets, PluginLoader& loader) {
  const FindComponent find = components_of(loader);
  const auto trained = explained(run.experiment, [&] { return build_modality(run.experiment, find); });
  run.experiment =
      load_experiment(run.folder / kRunConfig, sets_for_data(run.experiment, *trained, sets, loader), loader);
  run.parts = compose(run.experiment, loader);
  require_fit(trained->tokenizer(), find(ComponentKind::modality, run.experiment.modality.type), *run.parts->modality);
}

}  // namespace

OpenedRun open_run(const fs::path& source, const std::vector<std::string>& sets, PluginLoader& loader,
                   at::Device device) {
  OpenedRun run;
  run.folder = run_folder(source);
  run.checkpoint = source;
  run.experiment = load_experiment(run.folder / kRunConfig, {}, loader);
  if (sets.empty()) {
    run.parts = compose(run.experiment, loader);
  } else {
    set_data(run, sets, loader);
  }
  if (run.folder != source) {
    load_weights(source, *run.parts);
  } else if (!read_newest(source / "checkpoints", [&](const fs::path& newest) {
               load_weights(newest, *run.parts);
               run.checkpoint = newest;
             })) {
    throw Error("the run has no checkpoint yet", source.string(), "let it train to its first one");
  }
  for (const auto& [name, module] : run.parts->student_modules()) {
    module->to(device);
    module->eval();
  }
  if (run.parts->teacher) {
    run.parts->teacher->to(device);
    run.parts->teacher->eval();
  }
  return run;
}

}  // namespace cairn::cli

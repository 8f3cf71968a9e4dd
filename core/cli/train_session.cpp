#include "cli/train_session.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <chrono>
#include <memory>

#include "cairn/error.h"
#include "checkpoint/atomic_folder.h"
#include "checkpoint/step_folders.h"
#include "cli/compose.h"
#include "cli/device.h"
#include "cli/run_folder.h"
#include "cli/run_watcher.h"
#include "config/document.h"
#include "evaluate/embedding.h"
#include "report/terminal.h"
#include "train/trainer.h"

namespace cairn {
namespace {

constexpr int kDone = 0;
constexpr int kInterrupted = 130;

RunFacts first_facts(const TrainRequest& request, at::Device device) {
  RunFacts facts;
  facts.name = request.experiment.name;
  facts.cairn_version = CAIRN_VERSION;
  facts.torch_version = TORCH_VERSION;
  facts.plugins = request.plugins;
  facts.device = device.str();
  facts.cpu = cpu_name();
  facts.threads = at::get_num_threads();
  facts.seed = request.experiment.seed;
  facts.command = request.command;
  facts.started = utc_time();
  facts.steps = request.experiment.train.steps;
  return facts;
}

/// Probes the trained model and, where asked for, the same encoder untrained and the raw input.
std::vector<ResultRow> final_probes(const Experiment& experiment, const Composition& parts, ProbeData& probes,
                                    at::Device device) {
  std::vector<ResultRow> rows;
  rows.push_back({parts.teacher ? "trained teacher" : "trained student",
                  probes.probe(probed_embedding(parts, experiment.evaluate), /*is_final=*/true, device)});
  if (!experiment.evaluate.baselines || !rows.front().result) return rows;
  const std::shared_ptr<Branch> untrained = parts.fresh_branch();
  untrained->to(device);
  untrained->eval();
  rows.push_back({"untrained encoder",
                  probes.probe(branch_embedding(*untrained, experiment.evaluate.segments), /*is_final=*/true, device)});
  rows.push_back({"raw input", probes.probe(raw_input(), /*is_final=*/true, device)});
  return rows;
}

void finish_facts(RunFacts& facts, const TrainOutcome& outcome, const ProgressBar& bar) {
  facts.status = outcome.interrupted ? "interrupted" : "done";
  facts.first_step = outcome.first_step;
  facts.step = outcome.last_step;
  facts.samples_per_second = bar.throughput().average_samples_per_second();
  facts.loader_wait_share = bar.throughput().average_wait_share();
  facts.unreadable_samples = outcome.unreadable;
  if (outcome.best)
    facts.best = BestCheckpoint{step_folder(outcome.checkpoint.parent_path(), outcome.best->step), outcome.best->step,
                                "linear", outcome.best->score};
}

/// Keeps run.json true whatever ends the run.
class FactsKeeper {
 public:
  FactsKeeper(std::filesystem::path path, RunFacts& facts, at::Device device)
      : path_(std::move(path)), facts_(facts), device_(device) {
    write_run_facts(path_, facts_);
  }

  void close() {
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start_;
    facts_.ended = utc_time();
    facts_.wall_seconds = wall.count();
    facts_.peak_memory_bytes = peak_memory();
    facts_.peak_device_memory_bytes = peak_device_memory(device_);
    write_run_facts(path_, facts_);
  }

  void fail(const std::string& error) {
    facts_.status = "failed";
    facts_.error = error;
    close();
  }

 private:
  std::filesystem::path path_;
  RunFacts& facts_;
  at::Device device_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Opens data and, on resume, the newest checkpoint; a run that begins takes over what [initial] names, told in `told`.
/// A run that cannot begin leaves nothing behind.
std::unique_ptr<Trainer> make_trainer(const TrainRequest& request, Composition& parts, PluginLoader& loader,
                                      RunFolder& folder, at::Device device, std::vector<std::string>& told) {
  try {
    if (saved_steps(folder.path() / "checkpoints").empty()) told = cli::take_initial(request.experiment, parts, loader);
    return std::make_unique<Trainer>(request.experiment, parts, folder.path(), device);
  } catch (...) {
    folder.discard_if_new();
    throw;
  }
}

int train(Trainer& trainer, const TrainRequest& request, const Composition& parts, const RunFolder& folder,
          at::Device device, Terminal& terminal, TextLog& log, RunFacts& facts, FactsKeeper& keeper) {
  RunWatcher watcher(request.experiment, parts, folder.path(), trainer.first_step(), trainer.last_step(), device,
                     terminal, log);
  const TrainOutcome outcome = trainer.run(watcher);
  watcher.bar().finish();
  finish_facts(facts, outcome, watcher.bar());
  facts.flops_per_step = outcome.flops_per_step;
  facts.alarms = watcher.raised();
  facts.online = watcher.online();
  facts.classes = watcher.probes().classes();
  // Without a probe of this process the number of its test samples is not known.
  if (facts.best)
    for (const OnlineProbe& probe : facts.online)
      if (probe.step == facts.best->step && probe.test > 0)
        facts.best->interval =
            bootstrap_share(std::llround(probe.linear * static_cast<double>(probe.test)), probe.test, facts.seed);
  if (outcome.interrupted) {
    keeper.close();
    log.info(fmt::format("interrupted at step {}; a checkpoint is written: go on with --resume --run {}",
                         outcome.last_step, folder.path().string()));
    return kInterrupted;
  }
  terminal.status("probing");
  facts.results = final_probes(request.experiment, parts, watcher.probes(), device);
  facts.no_result_reason = watcher.probes().reason();
  terminal.clear_status();
  keeper.close();
  log.info(result_table(facts.results, facts.no_result_reason));
  log.info(closing_lines(facts, folder.path()));
  return kDone;
}

}  // namespace

int run_training(const TrainRequest& request, Composition& parts, PluginLoader& loader) {
  const at::Device device = choose_device(request.device);
  use_threads(request.experiment.train.threads);
  RunFolder folder(request.run, request.experiment.name, request.resume);
  std::vector<std::string> initial;
  const std::unique_ptr<Trainer> trainer = make_trainer(request, parts, loader, folder, device, initial);
  write_file_atomically(folder.file("config.toml"), request.experiment.document->toml(/*with_origins=*/false));
  Terminal terminal(stderr);
  TextLog log(folder.file("log.txt"), &terminal);
  log.info(fmt::format("run folder {}", folder.path().string()));
  log.info(describe(parts));
  for (const std::string& line : initial) log.info("initial weights: " + line);
  if (request.resume)
    log.info(trainer->first_step() > 0 ? fmt::format("going on at step {}", trainer->first_step())
                                       : std::string("no checkpoint yet: starting from the beginning"));

  RunFacts facts = first_facts(request, device);
  FactsKeeper keeper(folder.file("run.json"), facts, device);
  try {
    return train(*trainer, request, parts, folder, device, terminal, log, facts, keeper);
  } catch (const std::exception& error) {
    terminal.clear_status();
    keeper.fail(error.what());
    log.note(error.what());
    throw;
  }
}

}  // namespace cairn

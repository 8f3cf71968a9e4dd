#include "cli/train_session.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>

#include "cairn/error.h"
#include "checkpoint/atomic_folder.h"
#include "checkpoint/step_folders.h"
#include "cli/compose.h"
#include "cli/device.h"
#include "cli/resumed.h"
#include "cli/run_folder.h"
#include "cli/run_watcher.h"
#include "config/document.h"
#include "config/experiment.h"
#include "evaluate/embedding.h"
#include "nn/cpu_product.h"
#include "plugin/guard.h"
#include "report/html_report.h"
#include "report/run_labels.h"
#include "report/terminal.h"
#include "train/interrupt.h"
#include "train/trainer.h"

namespace cairn {
namespace {

constexpr int kDone = 0;
constexpr int kInterrupted = 130;

struct Interrupted : std::exception {};

/// The same, until a signal comes: Interrupted.
Embed stoppable(Embed embed, const InterruptGuard& interrupt) {
  return [embed = std::move(embed), &interrupt](const View& view) {
    if (interrupt.requested()) throw Interrupted();
    return embed(view);
  };
}

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

/// Probes the trained model and, where asked for, the same encoder untrained and the raw input. Interrupted.
std::vector<ResultRow> final_probes(const Experiment& experiment, const Composition& parts, ProbeData& probes,
                                    at::Device device, const InterruptGuard& interrupt) {
  const auto probe = [&](const char* name, Embed embed) {
    return ResultRow{name, probes.probe(stoppable(std::move(embed), interrupt), /*is_final=*/true, device)};
  };
  std::vector<ResultRow> rows;
  rows.push_back(
      probe(parts.teacher ? "trained teacher" : "trained student", probed_embedding(parts, experiment.evaluate)));
  if (!experiment.evaluate.baselines || !rows.front().result) return rows;
  const std::shared_ptr<Branch> untrained = parts.fresh_branch();
  untrained->to(device);
  untrained->eval();
  rows.push_back(probe("untrained encoder", branch_embedding(*untrained, experiment.evaluate.segments)));
  rows.push_back(probe("raw input", raw_input()));
  return rows;
}

/// What training gave, this process and the earlier ones of the run together.
void note_training(RunFacts& facts, const RunFacts& earlier, const TrainOutcome& outcome, const ProgressBar& bar) {
  facts.first_step = outcome.first_step;
  facts.step = outcome.last_step;
  facts.samples_per_second = bar.throughput().average_samples_per_second();
  facts.loader_wait_share = bar.throughput().average_wait_share();
  facts.flops_per_step = outcome.flops_per_step;
  facts.unreadable_samples = outcome.unreadable;
  if (outcome.best)
    facts.best = BestCheckpoint{step_folder(outcome.checkpoint.parent_path(), outcome.best->step), outcome.best->step,
                                "linear", outcome.best->score};
  add_pace(facts, earlier);
}

/// Keeps run.json true whatever ends the run.
class FactsKeeper {
 public:
  FactsKeeper(std::filesystem::path path, RunFacts& facts, RunFacts earlier, at::Device device)
      : path_(std::move(path)), facts_(facts), earlier_(std::move(earlier)), device_(device) {
    if (!earlier_.started.empty()) facts_.started = earlier_.started;
    add_pace(facts_, earlier_);
    write();
  }

  const RunFacts& earlier() const { return earlier_; }

  /// A killed process left no time in run.json; what it logged says how long the run took until then.
  void took_before(double seconds) { earlier_.wall_seconds = std::max(earlier_.wall_seconds, seconds); }

  /// Writes what is known by now, so that it stands there should this process be killed.
  void write() {
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start_;
    facts_.wall_seconds = earlier_.wall_seconds + wall.count();
    facts_.peak_memory_bytes = std::max(peak_memory(), earlier_.peak_memory_bytes);
    if (const auto peak = peak_device_memory(device_))
      facts_.peak_device_memory_bytes = std::max(*peak, earlier_.peak_device_memory_bytes.value_or(0));
    write_run_facts(path_, facts_);
  }

  void close(const std::string& status) {
    facts_.status = status;
    facts_.ended = utc_time();
    write();
  }

  void fail(const std::string& error) {
    facts_.error = error;
    close("failed");
  }

 private:
  std::filesystem::path path_;
  RunFacts& facts_;
  RunFacts earlier_;
  at::Device device_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// ConfigError where the run is beyond the step that it is to end at.
void check_end(const TrainSettings& train, std::int64_t step) {
  for (const auto& [key, end] : {std::pair("train.steps", train.steps), std::pair("train.stop_at", train.stop_at)})
    if (end > 0 && end < step)
      throw ConfigError(key, fmt::format("the run is at step {} already, and {} is less", step, end),
                        "raise it to go on");
}

/// Opens data and, on resume, the newest checkpoint. What a run that begins takes over from where [initial] says, and
/// what one that goes on does otherwise, is told in `told`. A run that cannot begin leaves nothing behind.
std::unique_ptr<Trainer> make_trainer(const TrainRequest& request, Composition& parts, PluginLoader& loader,
                                      RunFolder& folder, at::Device device, std::vector<std::string>& told) {
  try {
    const std::vector<std::int64_t> saved = saved_steps(folder.path() / "checkpoints");
    if (saved.empty()) {
      for (const std::string& line : cli::take_initial(request.experiment, parts, loader))
        told.push_back("initial weights: " + line);
    } else {
      cli::explained(request.experiment, [&] { check_end(request.experiment.train, saved.back()); });
      told = cli::changes_since(folder.file(kRunConfig), request.experiment, loader);
    }
    return cli::explained(request.experiment,
                          [&] { return std::make_unique<Trainer>(request.experiment, parts, folder.path(), device); });
  } catch (...) {
    folder.discard_if_new();
    throw;
  }
}

/// The run's own report, without what needs the network anew: `cairn report` adds that.
void write_page(const RunFolder& folder, const std::string& title, TextLog& log) {
  const std::vector<std::filesystem::path> folders = {folder.path()};
  const std::vector<ReportedRun> runs = {{run_labels(folders).front(), folder.path()}};
  try {
    write_report(folder.file("report.html"), title, runs, nullptr);
    log.info("report: " + folder.file("report.html").string());
  } catch (const std::exception& error) {
    log.warn("no report was written: " + exception_text(error));
  }
}

/// Trains; of a run that fails, `facts` tell how far it came.
TrainOutcome run_steps(Trainer& trainer, const Experiment& experiment, RunWatcher& watcher, RunFacts& facts) {
  try {
    return cli::explained(experiment, [&] { return trainer.run(watcher); });
  } catch (...) {
    facts.step = watcher.step();
    throw;
  }
}

int train(Trainer& trainer, const TrainRequest& request, const Composition& parts, const RunFolder& folder,
          at::Device device, Terminal& terminal, TextLog& log, RunFacts& facts, FactsKeeper& keeper) {
  RunWatcher watcher(request.experiment, parts, folder.path(), trainer.first_step(), trainer.last_step(), device,
                     terminal, log);
  const InterruptGuard interrupt;
  keeper.took_before(watcher.seconds());
  const TrainOutcome outcome = run_steps(trainer, request.experiment, watcher, facts);
  watcher.bar().finish();
  note_training(facts, keeper.earlier(), outcome, watcher.bar());
  facts.alarms = watcher.raised();
  facts.online = watcher.online();
  facts.classes = watcher.probes().classes();
  if (facts.best)
    for (const OnlineProbe& probe : facts.online)
      if (probe.step == facts.best->step && probe.test > 0)
        facts.best->interval =
            bootstrap_share(std::llround(probe.linear * static_cast<double>(probe.test)), probe.test, facts.seed);
  if (outcome.interrupted) {
    keeper.close("interrupted");
    log.info(fmt::format("interrupted at step {}; a checkpoint is written: go on with --resume --run {}",
                         outcome.last_step, folder.path().string()));
    return kInterrupted;
  }
  keeper.write();
  terminal.status("probing");
  try {
    facts.results = final_probes(request.experiment, parts, watcher.probes(), device, interrupt);
  } catch (const Interrupted&) {
    terminal.clear_status();
    keeper.close("interrupted");
    log.info(
        fmt::format("interrupted while probing; the trained model is in its checkpoint: probe it with --resume "
                    "--run {}",
                    folder.path().string()));
    return kInterrupted;
  }
  facts.no_result_reason = watcher.probes().reason();
  watcher.tell_unprobed();
  facts.unreadable_samples = watcher.unreadable_samples();
  terminal.clear_status();
  keeper.close("done");
  log.info(result_table(facts.results, facts.no_result_reason));
  write_page(folder, facts.name, log);
  log.info(closing_lines(facts, folder.path()));
  return kDone;
}

/// A disk that is full may take no note either, and what failed first is what a person must hear.
void note_failure(const std::string& what, FactsKeeper& keeper, TextLog& log) {
  try {
    keeper.fail(what);
  } catch (const Error& error) {
    log.note(error.what());
  }
  log.note(what);
}

}  // namespace

TrainEnd run_training(const TrainRequest& request, Composition& parts, PluginLoader& loader) {
  const at::Device device = choose_device(request.device);
  use_threads(request.experiment.train.threads);
  RunFolder folder = cli::explained(request.experiment,
                                    [&] { return RunFolder(request.run, request.experiment.name, request.resume); });
  std::vector<std::string> told;
  const std::unique_ptr<Trainer> trainer = make_trainer(request, parts, loader, folder, device, told);
  write_file_atomically(folder.file(kRunConfig), request.experiment.document->toml(/*with_origins=*/false));
  Terminal terminal(stderr);
  TextLog log(folder.file("log.txt"), &terminal);
  log.info(fmt::format("run folder {}", folder.path().string()));
  log.info(describe(parts));
  for (const std::string& line : told) log.info(line);
  if (device.is_cpu() && request.experiment.train.precision == "bfloat16" && !nn::has_fast_bfloat16())
    log.note("this processor multiplies bfloat16 no faster than float32: train.precision = \"float32\" is the faster");
  if (request.resume)
    log.info(trainer->first_step() > 0 ? fmt::format("going on at step {}", trainer->first_step())
                                       : std::string("no checkpoint yet: starting from the beginning"));

  RunFacts facts = first_facts(request, device);
  facts.first_step = facts.step = trainer->first_step();
  const std::filesystem::path path = folder.file("run.json");
  FactsKeeper keeper(path, facts, request.resume ? earlier_facts(path) : RunFacts(), device);
  try {
    return {train(*trainer, request, parts, folder, device, terminal, log, facts, keeper), folder.path()};
  } catch (const std::exception& error) {
    terminal.clear_status();
    note_failure(exception_text(error), keeper, log);
    if (const auto* full = dynamic_cast<const DiskFullError*>(&error))
      throw DiskFullError(full->message(), full->where(),
                          "free some space and go on with --resume --run " + folder.path().string());
    throw;
  }
}

}  // namespace cairn

#include <c10/util/hash.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "cairn/error.h"
#include "checkpoint/atomic_folder.h"
#include "checkpoint/run_lock.h"
#include "cli/child.h"
#include "cli/commands.h"
#include "cli/run_folder.h"
#include "cli/run_views.h"
#include "cli/suite.h"
#include "cli/written_place.h"
#include "config/experiment.h"
#include "report/comparison.h"
#include "report/html_report.h"
#include "report/json_text.h"
#include "report/progress_bar.h"
#include "train/interrupt.h"

namespace cairn::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kInterruptedCode = 130;
constexpr std::int64_t kTrialSteps = 30;

struct CompareArguments {
  std::string suite;
  std::string out;
  std::string device = "auto";
  std::int64_t parallel = 0;
  bool json = false;
};

/// Waits for a training that still saves its state after a comparison that was killed.
void wait_until_free(const fs::path& folder, const InterruptGuard& interrupt) {
  if (!fs::exists(folder)) return;
  for (bool is_told = false; !interrupt.requested(); is_told = true) {
    try {
      const RunLock lock(folder);
      return;
    } catch (const RunInUseError& error) {
      if (!is_told) std::cerr << "waiting: " << error.message() << std::endl;
      std::this_thread::sleep_for(std::chrono::seconds(1));
    }
  }
}

/// Runs a suite in a folder: what it was asked to train is noted there, so that a second call goes on.
class Comparing {
 public:
  Comparing(Suite suite, std::vector<SuiteRun> runs, fs::path out, const CompareArguments& arguments,
            const Session& session)
      : suite_(std::move(suite)),
        runs_(std::move(runs)),
        out_(std::move(out)),
        arguments_(arguments),
        session_(session) {
    make_folder(out_ / "logs", "--out");
    lock_.emplace(out_);
  }

  /// Turns the budget into steps, once for every method and data set, and holds the plan against the folder's. False
  /// when a signal ended it. Error if the folder was made with other settings.
  bool settle_budget(const InterruptGuard& interrupt) {
    const fs::path path = out_ / "suite.json";
    std::ifstream file(path);
    Json noted = file ? Json::parse(file, nullptr, false) : Json();
    if (!noted.is_object()) noted = Json::object();
    for (SuiteRun& run : runs_) {
      const std::string key = key_of(run);
      const Json asked = {{"experiment", fs::absolute(run.experiment).lexically_normal().string()},
                          {"set", run.set},
                          {"budget", suite_.budget},
                          {"amount", suite_.amount},
                          {"settings", c10::sha1(run.document->toml(/*with_origins=*/false)).str()}};
      const Json old = noted.value(run.folder, Json());
      const bool is_known = old.is_object() && old.contains("asked") && old.value("steps", Json()).is_number_integer();
      if (is_known && old["asked"] != asked)
        throw Error(fmt::format("the folder holds '{}' trained with other settings", run.folder), out_.string(),
                    "name another folder with --out, or remove this one");
      const std::int64_t steps = is_known ? old["steps"].get<std::int64_t>() : steps_for(run, key, interrupt);
      if (interrupt.requested()) return false;
      steps_[key] = steps;
      if (steps == 0) continue;
      // The whole budget is spent, whatever the experiment says of an early end.
      run.set.insert(run.set.end(), {fmt::format("train.steps={}", steps), "train.stop_at=0"});
      if (is_known) continue;
      noted[run.folder] = {{"asked", asked}, {"steps", steps}};
      // At once, since measuring the next method's pace may take a while, and may be interrupted.
      write_file_atomically(path, json_text(noted, 1) + "\n");
    }
    return true;
  }

  /// Trains what is not done, as many at a time as asked for; false when a signal ended it.
  bool train(const InterruptGuard& interrupt) {
    const auto parallel = static_cast<std::size_t>(arguments_.parallel > 0 ? arguments_.parallel : suite_.parallel);
    std::vector<Child> children;
    std::vector<std::size_t> who;
    std::size_t running = 0;
    const auto reap = [&] {
      const auto ended = wait_for_one(children, interrupt);
      if (!ended) return;
      --running;
      tell(who[*ended], *children[*ended].code);
      was_interrupted_ = was_interrupted_ || *children[*ended].code == kInterruptedCode;
    };
    for (std::size_t i = 0; i < runs_.size() && !interrupt.requested() && !was_interrupted_; ++i) {
      if (steps_.at(key_of(runs_[i])) == 0) continue;  // its trial failed
      wait_until_free(folder(i), interrupt);
      if (is_done(i)) {
        tell_kept(i);
        continue;
      }
      children.push_back(start_self(words(i), out_ / "logs" / (runs_[i].folder + ".log")));
      who.push_back(i);
      if (++running >= parallel) reap();
    }
    while (running > 0) reap();
    return !interrupt.requested() && !was_interrupted_;
  }

  Comparison result() const {
    std::vector<ComparedRun> runs;
    for (const SuiteRun& run : runs_) {
      ComparedRun compared{run.method, run.data, run.seed, out_ / run.folder};
      read_run(compared);
      runs.push_back(std::move(compared));
    }
    Comparison comparison = rank_runs(suite_.name, suite_.budget_text(), suite_.measure, std::move(runs));
    comparison.note = differences(runs_);
    return comparison;
  }

 private:
  static std::string key_of(const SuiteRun& run) { return run.method + "\n" + run.data; }
  fs::path trial_log(const SuiteRun& run) const { return out_ / "logs" / ("trial-" + run.folder + ".log"); }
  fs::path folder(std::size_t i) const { return out_ / runs_[i].folder; }

  bool is_done(std::size_t i) const {
    ComparedRun run{runs_[i].method, runs_[i].data, runs_[i].seed, folder(i)};
    read_run(run);
    return run.status == "done";
  }

  std::vector<std::string> words(std::size_t i) const {
    std::vector<std::string> out;
    for (const std::string& path : session_.plugin_path) out.insert(out.end(), {"--plugin-path", path});
    out.insert(out.end(),
               {"train", runs_[i].experiment.string(), "--run", folder(i).string(), "--device", arguments_.device});
    for (const std::string& set : runs_[i].set) out.insert(out.end(), {"--set", set});
    if (fs::exists(folder(i) / kRunConfig)) out.emplace_back("--resume");
    return out;
  }

  /// 0 where the training that should tell failed, or was interrupted.
  std::int64_t steps_for(const SuiteRun& run, const std::string& key, const InterruptGuard& interrupt) {
    if (suite_.budget == "steps") return suite_.amount;
    if (const auto known = steps_.find(key); known != steps_.end()) return known->second;
    const auto batch = static_cast<double>(run.batch_size), amount = static_cast<double>(suite_.amount);
    double steps = amount / batch;
    if (suite_.budget != "samples") {
      const ComparedRun short_run = trial(run, interrupt);
      const double rate = short_run.samples_per_second.value_or(0.0);
      if (!(rate > 0.0) || !(short_run.flops_per_step > 0.0)) {
        if (!interrupt.requested())
          std::cerr << fmt::format("the trial that measures '{}' failed, so it is not trained; see {}\n", run.method,
                                   trial_log(run).string());
        return 0;
      }
      steps = suite_.budget == "seconds" ? amount * rate / batch : 1e12 * amount / short_run.flops_per_step;
    }
    return std::max<std::int64_t>(1, std::llround(steps));
  }

  /// A short training that tells the pace and the work of a step; neither where it failed.
  ComparedRun trial(const SuiteRun& run, const InterruptGuard& interrupt) {
    std::vector<std::string> sets = run.set;
    sets.push_back(fmt::format("train.steps={}", kTrialSteps));
    for (const char* quiet :
         {"train.stop_at=0", "evaluate.every=0", "evaluate.baselines=false", "evaluate.final_train_samples=2",
          "evaluate.final_test_samples=2", "evaluate.lidar_samples=0", "log.tensorboard=false"})
      sets.emplace_back(quiet);
    const fs::path trial = out_ / "logs" / ("trial-" + run.folder);
    remove_folder(trial);
    std::vector<std::string> line;
    for (const std::string& path : session_.plugin_path) line.insert(line.end(), {"--plugin-path", path});
    line.insert(line.end(), {"train", run.experiment.string(), "--run", trial.string(), "--device", arguments_.device});
    for (const std::string& set : sets) line.insert(line.end(), {"--set", set});
    std::vector<Child> child = {start_self(line, trial_log(run))};
    wait_for_one(child, interrupt);
    ComparedRun result{run.method, run.data, run.seed, trial};
    read_run(result);
    remove_folder(trial);
    return child.front().code == 0 ? result : ComparedRun();
  }

  std::string head(std::size_t i) const {
    const SuiteRun& run = runs_[i];
    return fmt::format("[{}/{}] {}{} seed {}: ", i + 1, runs_.size(), run.method,
                       run.data.empty() ? "" : " " + run.data, run.seed);
  }

  void tell_kept(std::size_t i) const { std::cerr << head(i) << "done before\n"; }

  void tell(std::size_t i, int code) const {
    ComparedRun run{runs_[i].method, runs_[i].data, runs_[i].seed, folder(i)};
    read_run(run);
    std::string text = head(i);
    if (code == 0 && run.linear) {
      text += fmt::format("linear {:.1f} %, kNN {:.1f} % in {}", 100.0 * *run.linear, 100.0 * run.knn.value_or(0.0),
                          duration_text(run.wall_seconds));
    } else if (code == kInterruptedCode) {
      text += "interrupted";
    } else {
      text += code == 0 ? "done without a probe" : fmt::format("failed with exit code {}", code);
      text += "; see " + (out_ / "logs" / (runs_[i].folder + ".log")).string();
    }
    std::cerr << text << std::endl;
  }

  Suite suite_;
  std::vector<SuiteRun> runs_;
  fs::path out_;
  const CompareArguments& arguments_;
  const Session& session_;
  std::optional<RunLock> lock_;
  std::map<std::string, std::int64_t> steps_;  // of a method on a data set; 0 where its trial failed
  bool was_interrupted_ = false;
};

/// Tables and report beside the runs. One run of each method is looked into, on the same inputs.
void write_results(const Comparison& comparison, const fs::path& out, const Session& session) {
  write_file_atomically(out / "table.md", comparison_markdown(comparison));
  write_file_atomically(out / "table.csv", comparison_csv(comparison));
  write_file_atomically(out / "comparison.json", comparison_json(comparison));
  PluginLoader loader = session.loader();
  std::vector<ReportedRun> runs;
  for (const ComparedRun& run : comparison.runs) {
    if (run.status == "missing") continue;
    ReportedRun shown{fmt::format("{}{} seed {}", run.method, run.data.empty() ? "" : " · " + run.data, run.seed),
                      run.folder};
    if (run.status == "done" && run.seed == comparison.runs.front().seed) shown.views = run_views(run.folder, loader);
    runs.push_back(std::move(shown));
  }
  write_report(out / "report.html", comparison.name, runs, &comparison);
}

int interrupted() {
  std::cerr << "interrupted: run the same command again to go on\n";
  return kInterruptedCode;
}

int compare(const CompareArguments& arguments, const Session& session) {
  const fs::path file = arguments.suite;
  const Suite suite = load_suite(file);
  const fs::path out =
      arguments.out.empty() ? fs::path("runs") / ("compare-" + folder_name(suite.name)) : fs::path(arguments.out);
  std::vector<SuiteRun> runs = plan_suite(suite, file.parent_path());
  PluginLoader loader = session.loader();
  read_experiments(runs, loader);
  Comparing comparing(suite, std::move(runs), out, arguments, session);
  const InterruptGuard interrupt;
  if (!comparing.settle_budget(interrupt)) return interrupted();
  const bool finished = comparing.train(interrupt);
  const Comparison comparison = comparing.result();
  write_results(comparison, out, session);
  std::cout << (arguments.json ? comparison_json(comparison) : comparison_table(comparison));
  if (!arguments.json) std::cout << "report: " << (out / "report.html").string() << '\n';
  if (!finished) return interrupted();
  for (const ComparedRun& run : comparison.runs)
    if (run.status != "done") return kFailed;
  return kDone;
}

}  // namespace

void add_compare(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("compare", "Trains methods × data × seeds under one budget, ranks them and writes a report");
  auto arguments = std::make_shared<CompareArguments>();
  command->add_option("suite", arguments->suite, "the suite, a TOML file")->required()->type_name("SUITE.toml");
  command
      ->add_option("--out", arguments->out,
                   "folder of the runs and results; default: runs/compare-NAME. A second "
                   "call goes on where the first one ended")
      ->type_name("DIR");
  command->add_option("--parallel", arguments->parallel, "runs at a time, instead of the suite's number")
      ->check(CLI::Range(1, 1024));
  command->add_option("--device", arguments->device, "auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "print the result as JSON");
  command->callback([arguments, &session] { session.action = [=, &session] { return compare(*arguments, session); }; });
}

}  // namespace cairn::cli

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/commands.h"
#include "cli/device.h"
#include "cli/probing.h"
#include "evaluate/metrics.h"
#include "evaluate/significance.h"
#include "report/json_text.h"
#include "report/progress_bar.h"

namespace cairn::cli {
namespace {

using Json = nlohmann::ordered_json;

/// The figure of a task.
double score(Task task, const ProbeOutcome& outcome) {
  return task == Task::boxes ? frame_map(outcome.boxes, outcome.answers, outcome.boxes, outcome.truth)
                             : quality(task, outcome.answers, outcome.truth);
}

/// The figure of a probe and where its interval comes from.
struct Found {
  Interval figure;
  bool over_seeds = false;
};

/// The figure of the first outcome with a bootstrap over its test samples.
Interval over_samples(Task task, const std::vector<ProbeOutcome>& outcomes) {
  const at::Tensor &answers = outcomes[0].answers, &truth = outcomes[0].truth;
  if (task == Task::boxes) return frame_map_interval(outcomes[0].boxes, answers, truth, /*seed=*/0);
  if (task == Task::classes)
    return bootstrap_share(answers.argmax(1).eq(truth).sum().item<std::int64_t>(), truth.numel(), /*seed=*/0);
  return bootstrap_rows(
      answers, truth, [task](const at::Tensor& a, const at::Tensor& t) { return quality(task, a, t); }, /*seed=*/0);
}

/// Over the seeds Student's interval, cut to what a share can be; over the test samples where all seeds agree, as
/// those of a probe without chance do.
Found figure_of(Task task, const std::vector<ProbeOutcome>& outcomes) {
  std::vector<double> values;
  values.reserve(outcomes.size());
  for (const ProbeOutcome& outcome : outcomes) values.push_back(score(task, outcome));
  if (std::set(values.begin(), values.end()).size() < 2) return {over_samples(task, outcomes), false};
  Interval mean = mean_interval(values);
  mean.high = std::min(mean.high, 1.0);
  if (task != Task::values) mean.low = std::max(mean.low, 0.0);
  return {mean, true};
}

/// "48.1 % (95 % interval 45.0 to 51.2, bootstrap); chance 10.0 %", or without percent for R2.
std::string result_text(const ProbeArguments& arguments, const Found& result, std::int64_t classes) {
  const Interval& found = result.figure;
  const bool is_share = arguments.task != Task::values;
  const double factor = is_share ? 100.0 : 1.0;
  const int digits = is_share ? 1 : 3;
  std::string text = arguments.task == Task::classes ? "" : std::string(quality_name(arguments.task)) + " ";
  text += fmt::format("{:.{}f}{} (95 % interval {:.{}f} to {:.{}f}, {})", factor * found.value, digits,
                      is_share ? " %" : "", factor * found.low, digits, factor * found.high, digits,
                      result.over_seeds ? fmt::format("{} seeds", arguments.seeds) : "bootstrap");
  if (arguments.task == Task::classes) text += fmt::format("; chance {:.1f} %", 100.0 / static_cast<double>(classes));
  return text;
}

/// Lets whole numbers and shares pass.
CLI::Validator whole_or_share() {
  return {[](const std::string& text) {
            const double value = std::strtod(text.c_str(), nullptr);
            return value < 1.0 || value == std::floor(value) ? std::string()
                                                             : text + " is neither a whole number nor less than 1";
          },
          ""};
}

/// Names the options given that a probe of this kind has no use for.
void tell_idle_options(const CLI::App& command, const std::string& kind) {
  const bool learns_by_steps = kind == "attentive" || kind == "finetune";
  const std::vector<std::pair<const char*, bool>> uses = {
      {"--neighbours", kind == "knn"}, {"--recipe", kind == "attentive"}, {"--blocks", kind == "attentive"},
      {"--epochs", learns_by_steps},   {"--lr", learns_by_steps},         {"--weight-decay", learns_by_steps}};
  for (const auto& [name, is_used] : uses)
    if (!is_used && command.count(name) > 0) std::cerr << fmt::format("{} does nothing with --kind {}\n", name, kind);
}

int probe(const ProbeArguments& arguments, const Session& session) {
  const auto start = std::chrono::steady_clock::now();
  PluginLoader loader = session.loader();
  const at::Device device = choose_device(arguments.device);
  const ProbeSubject subject =
      open_subject(arguments.source.path, arguments.source.options(), arguments.request, loader, device);
  use_threads(subject.train.threads);
  Probing probing(arguments, subject, device);
  std::vector<ProbeOutcome> outcomes;
  for (std::int64_t seed = 0; seed < arguments.seeds; ++seed)
    outcomes.push_back(probing.run(static_cast<std::uint64_t>(seed)));

  const Found found = figure_of(arguments.task, outcomes);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::int64_t test = outcomes.front().truth.size(0);
  if (!arguments.json) {
    const std::string what = arguments.raw ? "the raw input, without the network" : subject.checkpoint.string();
    std::cout << fmt::format("{} probe of {}: {}\n", arguments.kind, what,
                             result_text(arguments, found, probing.data().classes()))
              << fmt::format("{} {}, {} test {}; {}; {}\n", probing.data().classes(),
                             arguments.task == Task::values ? "values" : "classes", test,
                             arguments.task == Task::boxes ? "boxes" : "samples", json_text(outcomes.front().facts, -1),
                             duration_text(seconds));
    return kDone;
  }
  const char* const name = quality_name(arguments.task);
  const auto plain_views = static_cast<std::int64_t>(subject.modality->views(Purpose::evaluate).size());
  Json out = {{"source", arguments.source.path},
              {"checkpoint", subject.checkpoint.string()},
              {"weights", subject.origin},
              {"kind", arguments.kind},
              {"raw", arguments.raw},
              {"labels", arguments.labels},
              {arguments.task == Task::values ? "values" : "classes", probing.data().names()},
              {"test", test},
              {"views", arguments.views > 0 ? arguments.views : plain_views},
              {name, {{"value", found.figure.value}, {"low", found.figure.low}, {"high", found.figure.high}}},
              {"interval", found.over_seeds ? "student over seeds"
                                            : fmt::format("bootstrap over test {}",
                                                          arguments.task == Task::boxes ? "frames" : "samples")},
              {"seconds", seconds},
              {"seeds", Json::array()}};
  out["unreadable"] = probing.data().unreadable();
  for (const ProbeOutcome& outcome : outcomes) {
    Json facts = {{name, score(arguments.task, outcome)}};
    facts.update(outcome.facts);
    if (arguments.task == Task::values) {
      facts["r2_of_each"] = explained_variance(outcome.answers, outcome.truth);
      facts["absolute_error_of_each"] = absolute_error(outcome.answers, outcome.truth);
    }
    out["seeds"].push_back(std::move(facts));
  }
  std::cout << json_text(out) << '\n';
  return kDone;
}

}  // namespace

void add_probe(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("probe", "Measures what a trained encoder's features are good for");
  auto arguments = std::make_shared<ProbeArguments>();
  arguments->source.add_to(*command, "RUN|CHECKPOINT");
  command
      ->add_option("--kind", arguments->kind,
                   "linear: logistic regression on pooled features; knn: nearest neighbours; attentive: a learned "
                   "query over the tokens (V-JEPA); finetune: the whole encoder is trained")
      ->check(CLI::IsMember({"linear", "knn", "attentive", "finetune"}))
      ->capture_default_str();
  command->add_option("--data", arguments->request.data, "labelled data, for a run instead of its own: modality.path")
      ->type_name("PATH");
  command
      ->add_option("--modality", arguments->request.modality,
                   "what reads and prepares the data: modality.type; default: as the source says")
      ->type_name("TYPE");
  command
      ->add_option("--set", arguments->request.sets,
                   "override one setting of the run's experiment; of other weights one of modality, evaluate, train, "
                   "or seed; may be given again")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command
      ->add_option("--labels", arguments->labels,
                   "classes of the data; arrow: does the clip run forward? speed: does it run at twice the speed? Or a "
                   "table: CSV whose first line names the columns and whose first column holds paths of samples")
      ->type_name("classes|arrow|speed|FILE.csv")
      ->capture_default_str();
  const std::map<std::string, Task> tasks = {
      {"classes", Task::classes}, {"multi-label", Task::multi_label}, {"values", Task::values}, {"boxes", Task::boxes}};
  command
      ->add_option_function<std::string>(
          "--task", [arguments, tasks](const std::string& name) { arguments->task = tasks.at(name); },
          "classes: one of a sample (accuracy); multi-label: several (mAP); values: numbers of a table (R2); "
          "boxes: several of each box that samples carry (frame mAP)")
      ->check(CLI::IsMember(tasks))
      ->type_name("classes|multi-label|values|boxes");
  CLI::Option* views = command
                           ->add_option("--views", arguments->views,
                                        "test on the mean answer to this many views of a sample (crops, clips), drawn "
                                        "as for training, in place of the plain ones (modality.evaluate_clips x "
                                        "evaluate_crops of a video)")
                           ->check(CLI::Range(1, 256));
  CLI::Option* low_shot =
      command
          ->add_option(
              "--low-shot", arguments->low_shot,
              "learn from this many samples a class (1 or more), or this share of each class (less than 1); of "
              "labels that are not classes in all")
          ->check(above_zero())
          ->check(whole_or_share());
  CLI::Option* folds =
      command
          ->add_option(
              "--folds", arguments->folds,
              "cross-validate: training and test part together, each of so many folds tested by a head that learnt "
              "from the others; for small sets, as every sample counts")
          ->check(CLI::Range(2, 1000));
  for (CLI::Option* other : {low_shot, views}) folds->excludes(other);
  command->add_option("--seeds", arguments->seeds, "repeat with this many seeds")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--train-samples", arguments->train_samples, "instead of evaluate.final_train_samples")
      ->check(above_zero());
  command->add_option("--test-samples", arguments->test_samples, "instead of evaluate.final_test_samples")
      ->check(above_zero());
  command->add_option("--neighbours", arguments->neighbours, "k of knn, instead of evaluate.neighbours")
      ->check(above_zero());
  command->add_option("--epochs", arguments->epochs, "of attentive (20) and finetune (10)")->check(above_zero());
  command
      ->add_option("--blocks", arguments->blocks,
                   "self-attention blocks before the query of attentive, instead of the recipe's")
      ->check(CLI::Range(0, 64));
  command
      ->add_option("--recipe", arguments->recipe,
                   "of attentive. cairn: no block, 6 heads of 3 rates x 2 decays; vjepa: no block, one head; vjepa2: 3 "
                   "blocks, 20 heads of 5 rates x 4 decays")
      ->check(CLI::IsMember({"cairn", "vjepa", "vjepa2"}))
      ->capture_default_str();
  command->add_option("--lr", arguments->lrs, "learning rates of attentive, one head each; of finetune, the first")
      ->check(above_zero());
  command
      ->add_option("--weight-decay", arguments->weight_decays,
                   "weight decays of attentive, one head each; of finetune, the first")
      ->check(from_zero());
  command
      ->add_option("--cache", arguments->cache,
                   "folder of frozen features, found again by content; default: features/ in a "
                   "run, else none; none: keep nothing")
      ->type_name("FOLDER|none");
  command->add_option("--device", arguments->device, "auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  command->add_flag("--raw", arguments->raw, "probe the input itself instead of features: a floor");
  command->add_flag("--json", arguments->json, "print facts as JSON");
  command->callback([arguments, command, &session] {
    if (arguments->folds > 0 && (arguments->kind == "finetune" || arguments->task == Task::boxes))
      throw CLI::ValidationError("--folds", "cross-validates heads on frozen features of samples only");
    tell_idle_options(*command, arguments->kind);
    session.action = [=, &session] { return probe(*arguments, session); };
  });
}

}  // namespace cairn::cli

#include "cli/bench_evaluate.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/evaluate_bench.h"
#include "cairn/error.h"
#include "cli/compose.h"
#include "cli/device.h"
#include "evaluate/embedding.h"
#include "report/json_text.h"

namespace cairn::cli {
namespace {

using Json = nlohmann::ordered_json;

struct BenchEvaluateArguments {
  ExperimentArguments experiment;
  std::string features;
  std::int64_t train = 50000, test = 10000, width = 768, classes = 100;
  double signal = 0.16;
  std::int64_t seed = 0;
  EvaluateBenchOptions options;
  std::int64_t threads = 0;
  std::string device = "cpu";
  bool json = false;
};

/// Features of an experiment's data by its untrained encoder, and how many samples a second they took.
FeatureSet features_of(const Experiment& experiment, PluginLoader& plugins, at::Device device, double& rate) {
  const std::unique_ptr<Composition> parts = compose(experiment, plugins);
  const std::shared_ptr<Branch> branch = parts->fresh_branch();
  branch->to(device);
  branch->eval();
  const EvaluateSettings& settings = experiment.evaluate;
  const FeatureOptions options{settings.batch_size, experiment.train.workers, device,
                               static_cast<std::uint64_t>(experiment.seed)};
  const Stopwatch watch;
  const auto collect = [&](Split split, std::int64_t most) {
    const auto source = parts->modality->open(split, Purpose::evaluate);
    if (!source) throw DataError("the data has no training or no test part", experiment.modality.type);
    const auto chosen = choose_samples(source->size(), most, options.seed, static_cast<std::uint64_t>(split));
    return labelled(
        collect_features(*parts->modality, *source, chosen, branch_embedding(*branch, settings.segments), options));
  };
  FeatureSet set{collect(Split::train, settings.final_train_samples), collect(Split::test, settings.final_test_samples),
                 static_cast<std::int64_t>(parts->modality->open(Split::train, Purpose::evaluate)->classes().size())};
  rate = static_cast<double>(set.train.size() + set.test.size()) / watch.wall_seconds();
  return set;
}

Json to_json(const TimedProbe& probe) {
  Json out = {{"seconds", probe.seconds.median},
              {"best", probe.seconds.lowest},
              {"worst", probe.seconds.highest},
              {"accuracy", probe.accuracy}};
  if (probe.iterations > 0) out.update({{"c", probe.c}, {"iterations", probe.iterations}});
  return out;
}

std::string line(const std::string& name, const TimedProbe& probe) {
  std::string text = fmt::format("{:<17}{:.3f} s   ({:.3f} to {:.3f})   accuracy {:.4f}", name, probe.seconds.median,
                                 probe.seconds.lowest, probe.seconds.highest, probe.accuracy);
  if (probe.iterations > 0) text += fmt::format("   C {:g}, {} iterations", probe.c, probe.iterations);
  return text + "\n";
}

FeatureSet choose_features(const BenchEvaluateArguments& arguments, const Session& session, at::Device device,
                           double& rate) {
  if (!arguments.experiment.file.empty()) {
    PluginLoader plugins = session.loader();
    return features_of(arguments.experiment.load(plugins), plugins, device, rate);
  }
  if (!arguments.features.empty()) return read_feature_set(arguments.features);
  return draw_feature_set(arguments.train, arguments.test, arguments.width, arguments.classes, arguments.signal,
                          static_cast<std::uint64_t>(arguments.seed));
}

int bench_evaluate_command(const BenchEvaluateArguments& arguments, const Session& session) {
  use_threads(arguments.threads);
  EvaluateBenchOptions options = arguments.options;
  options.device = choose_device(arguments.device);
  double rate = 0.0;
  const FeatureSet features = choose_features(arguments, session, options.device, rate);
  const EvaluateBench bench = bench_evaluate(features, options);
  if (!arguments.json) {
    std::cout << fmt::format("{} training and {} test rows of {} values, {} classes, {} threads\n",
                             features.train.size(), features.test.size(), features.train.x.size(1), features.classes,
                             at::get_num_threads())
              << line(fmt::format("kNN, k = {}", options.neighbours), bench.knn) << line("linear", bench.linear);
    if (rate > 0.0) std::cout << fmt::format("features         {:.1f} samples/s\n", rate);
    if (options.chooses_c) std::cout << line("linear, C chosen", bench.grid);
    std::cout << fmt::format("health           {:.3f} s\n", bench.health_seconds.median);
    return kDone;
  }
  Json out = {{"train", features.train.size()}, {"test", features.test.size()},     {"width", features.train.x.size(1)},
              {"classes", features.classes},    {"threads", at::get_num_threads()}, {"neighbours", options.neighbours},
              {"knn", to_json(bench.knn)},      {"linear", to_json(bench.linear)}};
  if (options.chooses_c) out["linear_c_chosen"] = to_json(bench.grid);
  if (rate > 0.0) out["features_samples_per_second"] = rate;
  out["health_seconds"] = bench.health_seconds.median;
  std::cout << json_text(out) << '\n';
  return kDone;
}

}  // namespace

void add_bench_evaluate(CLI::App& bench, Session& session) {
  CLI::App* command = bench.add_subcommand("evaluate", "Times the probes and health figures on frozen features");
  auto arguments = std::make_shared<BenchEvaluateArguments>();
  CLI::Option* experiment = arguments->experiment.add_to(*command)->required(false);
  experiment->description("an experiment whose data, as its untrained encoder sees them, are probed");
  command->get_option("--set")->needs(experiment);
  auto* features = command
                       ->add_option("--features", arguments->features,
                                    "train.npy, train_labels.npy, test.npy and test_labels.npy in a folder, or a "
                                    "file of cairn extract; default: drawn features, the same each time")
                       ->type_name("FOLDER|F.safetensors")
                       ->excludes(experiment);
  const auto drawn = [&](const char* name, auto& value, const char* text) {
    command->add_option(name, value, text)
        ->capture_default_str()
        ->excludes(features)
        ->excludes(experiment)
        ->check(above_zero());
  };
  drawn("--train", arguments->train, "training rows drawn");
  drawn("--test", arguments->test, "test rows drawn");
  drawn("--width", arguments->width, "values of a row drawn");
  drawn("--classes", arguments->classes, "classes drawn");
  drawn("--signal", arguments->signal, "length of a class centre in deviations of the noise, a value");
  command->add_option("--seed", arguments->seed, "of what is drawn")->check(from_zero())->capture_default_str();
  command->add_option("--neighbours", arguments->options.neighbours, "k of the nearest neighbours")
      ->check(above_zero())
      ->capture_default_str();
  command->add_option("--c", arguments->options.c, "C of the logistic regression")
      ->check(above_zero())
      ->capture_default_str();
  command->add_option("--tolerance", arguments->options.tolerance, "largest gradient at which it ends")
      ->check(above_zero())
      ->capture_default_str();
  command->add_flag("--choose-c", arguments->options.chooses_c, "time the linear probe with its choice of C as well");
  command->add_option("--repeats", arguments->options.repeats, "measurements, of which the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  add_threads(*command, arguments->threads);
  command->add_option("--device", arguments->device, "auto, cpu or cuda: where neighbours are searched")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "print facts as JSON");
  command->callback([arguments, &session] {
    session.action = [=, &session] { return bench_evaluate_command(*arguments, session); };
  });
}

}  // namespace cairn::cli

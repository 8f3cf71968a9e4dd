#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/loader_bench.h"
#include "cli/commands.h"
#include "cli/compose.h"
#include "cli/device.h"
#include "report/summary.h"

namespace cairn::cli {
namespace {

using Json = nlohmann::ordered_json;

struct LoaderArguments {
  ExperimentArguments experiment;
  std::int64_t segments = 5;
  std::int64_t batches = 10;
  std::string device = "cpu";
  bool statistics = false;
  bool json = false;
};

Json to_json(const Spread& spread) {
  return {{"median", spread.median}, {"lowest", spread.lowest}, {"highest", spread.highest}};
}

void print(const LoaderBench& bench, const Experiment& experiment) {
  const Spread &rate = bench.samples_per_second, &cost = bench.processor_ms;
  std::cout << fmt::format(
      "{}: {} samples, batch {}, {} workers\n"
      "samples/s        {:.1f}   ({:.1f} to {:.1f} over the segments, {} samples)\n"
      "processor-ms     {:.2f}   a sample, all threads ({:.2f} to {:.2f})\n"
      "unreadable       {}\n"
      "memory           {:.0f} MiB at most, {:+.1f} MiB since the warm-up\n",
      experiment.modality.type, bench.data_size, experiment.train.batch_size, experiment.train.workers, rate.median,
      rate.lowest, rate.highest, bench.samples, cost.median, cost.lowest, cost.highest, bench.unreadable,
      static_cast<double>(peak_memory()) / (1 << 20), bench.resident_growth_mib);
}

int print_statistics(const LoaderArguments& arguments, const Experiment& experiment, const DataParts& data) {
  const ChannelStatistics statistics =
      measure_statistics(experiment, *data.modality, *data.source, *data.masker, arguments.batches);
  if (arguments.json) {
    std::cout << Json{{"samples", statistics.samples}, {"mean", statistics.mean}, {"std", statistics.std}}.dump(2)
              << '\n';
    return kDone;
  }
  std::cout << fmt::format("over {} samples, as prepared by {}:\nmean = [{:.6g}]\nstd = [{:.6g}]\n", statistics.samples,
                           experiment.modality.type, fmt::join(statistics.mean, ", "), fmt::join(statistics.std, ", "));
  return kDone;
}

int bench_loader_command(const LoaderArguments& arguments, const Session& session) {
  PluginLoader plugins = session.loader();
  const Experiment experiment = load_experiment(arguments.experiment.file, arguments.experiment.sets, plugins);
  use_threads(experiment.train.threads);
  const DataParts data = compose_data(experiment, plugins);
  if (arguments.statistics) return print_statistics(arguments, experiment, data);
  const LoaderBench bench = bench_loader(experiment, *data.modality, *data.source, *data.masker,
                                         {arguments.segments, arguments.batches, choose_device(arguments.device)});
  if (!arguments.json) {
    print(bench, experiment);
    return kDone;
  }
  std::cout << Json{{"modality", experiment.modality.type},
                    {"samples_per_second", to_json(bench.samples_per_second)},
                    {"processor_ms_per_sample", to_json(bench.processor_ms)},
                    {"samples", bench.samples},
                    {"batch_size", experiment.train.batch_size},
                    {"workers", experiment.train.workers},
                    {"unreadable", bench.unreadable},
                    {"peak_memory_bytes", peak_memory()},
                    {"resident_growth_mib", bench.resident_growth_mib}}
                   .dump(2)
            << '\n';
  return kDone;
}

void add_loader(CLI::App& bench, Session& session) {
  CLI::App* command = bench.add_subcommand("loader", "Reads, transforms and plans batches as training would");
  auto arguments = std::make_shared<LoaderArguments>();
  arguments->experiment.add_to(*command);
  command->add_option("--segments", arguments->segments, "measurements, of which the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--batches", arguments->batches, "batches of a segment")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--device", arguments->device, "auto, cpu or cuda: where batches are prepared")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  command->add_flag("--statistics", arguments->statistics, "print mean and std of every channel instead");
  command->add_flag("--json", arguments->json, "print facts as JSON");
  command->callback(
      [arguments, &session] { session.action = [=, &session] { return bench_loader_command(*arguments, session); }; });
}

}  // namespace

void add_bench(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("bench", "Measures a part of Cairn by itself");
  command->require_subcommand(1);
  add_loader(*command, session);
}

}  // namespace cairn::cli

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/loader_bench.h"
#include "bench/optimizer_bench.h"
#include "bench/step_bench.h"
#include "cli/bench_evaluate.h"
#include "cli/commands.h"
#include "cli/compose.h"
#include "cli/device.h"
#include "report/json_text.h"
#include "report/summary.h"

namespace cairn::cli {
namespace {

constexpr const char* kBenched = "ijepa/bench-vit-tiny.toml";  // where no experiment is named

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
  const ChannelStatistics statistics = measure_statistics(experiment, data.training, *data.masker, arguments.batches);
  if (arguments.json) {
    std::cout << json_text(Json{{"samples", statistics.samples}, {"mean", statistics.mean}, {"std", statistics.std}})
              << '\n';
    return kDone;
  }
  std::cout << fmt::format("over {} samples, as prepared by {}:\nmean = [{:.6g}]\nstd = [{:.6g}]\n", statistics.samples,
                           experiment.modality.type, fmt::join(statistics.mean, ", "), fmt::join(statistics.std, ", "));
  return kDone;
}

int bench_loader_command(const LoaderArguments& arguments, const Session& session) {
  PluginLoader plugins = session.loader();
  const Experiment experiment = arguments.experiment.load(plugins);
  use_threads(experiment.train.threads);
  const DataParts data = compose_data(experiment, plugins);
  if (arguments.statistics) return print_statistics(arguments, experiment, data);
  const LoaderBench bench = bench_loader(experiment, data.training, *data.masker,
                                         {arguments.segments, arguments.batches, choose_device(arguments.device)});
  if (!arguments.json) {
    print(bench, experiment);
    return kDone;
  }
  std::cout << json_text(Json{{"modality", experiment.modality.type},
                              {"samples_per_second", to_json(bench.samples_per_second)},
                              {"processor_ms_per_sample", to_json(bench.processor_ms)},
                              {"samples", bench.samples},
                              {"batch_size", experiment.train.batch_size},
                              {"workers", experiment.train.workers},
                              {"unreadable", bench.unreadable},
                              {"peak_memory_bytes", peak_memory()},
                              {"resident_growth_mib", bench.resident_growth_mib}})
            << '\n';
  return kDone;
}

void add_loader(CLI::App& bench, Session& session) {
  CLI::App* command = bench.add_subcommand("loader", "Reads, transforms and plans batches as training would");
  auto arguments = std::make_shared<LoaderArguments>();
  arguments->experiment.shipped = kBenched;
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

struct OptimizerArguments {
  ExperimentArguments experiment;
  BenchedTransformer transformer;
  OptimizerBenchOptions options;
  std::int64_t threads = 0;
  std::string device = "cpu";
  bool json = false;
};

int bench_optimizer_command(const OptimizerArguments& arguments, const Session& session) {
  use_threads(arguments.threads);
  OptimizerBenchOptions options = arguments.options;
  options.device = choose_device(arguments.device);
  std::string rule = "adamw";
  OptimizerBench bench;
  if (arguments.experiment.file.empty()) {
    bench = bench_optimizer(arguments.transformer, options);
  } else {
    PluginLoader plugins = session.loader();
    const Experiment experiment = arguments.experiment.load(plugins);
    rule = experiment.optim.type;
    const std::unique_ptr<Composition> parts = compose(experiment, plugins);
    take_initial(experiment, *parts, plugins);
    bench = bench_optimizer(experiment, *parts, options);
  }
  const double share = bench.gb_per_second / bench.in_place_gb_per_second;
  if (!arguments.json) {
    std::cout << fmt::format(
        "{}, moving average and zeroed gradient of {} parameters, {:.4g} bytes each\n"
        "update        {:.2f} ms   ({:.2f} to {:.2f}), {:.1f} GB/s, {:.3f} of the memory's in-place rate\n"
        "norm          {:.2f} ms   ({:.2f} to {:.2f})\n"
        "memory        {:.1f} GB/s in place, {:.1f} GB/s copied\n",
        rule, bench.parameters, bench.bytes_per_parameter, bench.step_ms.median, bench.step_ms.lowest,
        bench.step_ms.highest, bench.gb_per_second, share, bench.norm_ms.median, bench.norm_ms.lowest,
        bench.norm_ms.highest, bench.in_place_gb_per_second, bench.copy_gb_per_second);
    return kDone;
  }
  std::cout << json_text(Json{{"optimizer", rule},
                              {"parameters", bench.parameters},
                              {"bytes_per_parameter", bench.bytes_per_parameter},
                              {"step_ms", to_json(bench.step_ms)},
                              {"norm_ms", to_json(bench.norm_ms)},
                              {"gb_per_second", bench.gb_per_second},
                              {"in_place_gb_per_second", bench.in_place_gb_per_second},
                              {"copy_gb_per_second", bench.copy_gb_per_second},
                              {"share_of_in_place", share}})
            << '\n';
  return kDone;
}

struct StepArguments {
  ExperimentArguments experiment;
  std::int64_t steps = 10;
  std::int64_t warm_up = 3;
  std::string device = "auto";
  std::string trace;
  bool json = false;
};

int bench_step_command(const StepArguments& arguments, const Session& session) {
  PluginLoader plugins = session.loader();
  const Experiment experiment = arguments.experiment.load(plugins);
  use_threads(experiment.train.threads);
  const std::unique_ptr<Composition> parts = compose(experiment, plugins);
  take_initial(experiment, *parts, plugins);
  const at::Device device = choose_device(arguments.device);
  const StepBench bench = bench_step(experiment, *parts, {arguments.steps, arguments.warm_up, device, arguments.trace});
  const double rate = 1e3 * static_cast<double>(bench.samples_per_step) / bench.step_ms.median;
  if (!arguments.json) {
    std::cout << fmt::format(
        "{}: batch {}, {}\n"
        "step          {:.1f} ms   ({:.1f} to {:.1f} over {} steps), {:.1f} samples/s\n"
        "processor     {:.1f} ms   a step, all threads, the loader's too\n"
        "arithmetic    {:.3g} FLOP a step, {:.1f} GFLOP/s, {:.3f} of the {:.1f} that a matrix product reaches\n"
        "waiting       {:.2f} %    of the time, for the loader\n"
        "first step    {:.2f} s    after the experiment was opened\n"
        "memory        {:.0f} MiB at most\n",
        experiment.name, bench.samples_per_step, experiment.train.precision, bench.step_ms.median, bench.step_ms.lowest,
        bench.step_ms.highest, arguments.steps, rate, bench.processor_ms.median, bench.flops_per_step,
        bench.flops_per_step / bench.step_ms.median / 1e6, bench.utilisation(), bench.peak_flops / 1e9,
        100 * bench.wait_share, bench.first_step_seconds, static_cast<double>(bench.peak_memory_bytes) / (1 << 20));
    return kDone;
  }
  std::cout << json_text(Json{{"experiment", experiment.name},
                              {"batch_size", bench.samples_per_step},
                              {"precision", experiment.train.precision},
                              {"step_ms", to_json(bench.step_ms)},
                              {"samples_per_second", rate},
                              {"processor_ms", to_json(bench.processor_ms)},
                              {"flops_per_step", bench.flops_per_step},
                              {"peak_flops", bench.peak_flops},
                              {"utilisation", bench.utilisation()},
                              {"wait_share", bench.wait_share},
                              {"first_step_seconds", bench.first_step_seconds},
                              {"peak_memory_bytes", bench.peak_memory_bytes}})
            << '\n';
  return kDone;
}

void add_device_and_json(CLI::App& command, std::string& device, bool& json) {
  command.add_option("--device", device, "auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  command.add_flag("--json", json, "print facts as JSON");
}

void add_optimizer(CLI::App& bench, Session& session) {
  CLI::App* command =
      bench.add_subcommand("optimizer", "Updates an experiment's networks, or a transformer with teacher");
  auto arguments = std::make_shared<OptimizerArguments>();
  CLI::Option* experiment = arguments->experiment.add_to(*command)->required(false);
  command->get_option("--set")->needs(experiment);
  const auto number = [&](const char* name, std::int64_t& value, const char* text) {
    return command->add_option(name, value, text)->check(CLI::Range(1, 1 << 14))->capture_default_str();
  };
  number("--width", arguments->transformer.width, "of the transformer; 768 with depth 12 is a ViT-B")
      ->excludes(experiment);
  number("--depth", arguments->transformer.depth, "of the transformer")->excludes(experiment);
  number("--repeats", arguments->options.repeats, "updates, of which the median counts");
  number("--stream-mb", arguments->options.stream_mb, "memory over which the rate of the machine is measured");
  const auto type = [&](const char* name, std::string& value, const char* text) {
    command->add_option(name, value, text)
        ->check(CLI::IsMember({"float32", "bfloat16"}))
        ->capture_default_str()
        ->excludes(experiment);
  };
  type("--moments", arguments->transformer.moments, "of the transformer, as optim.moments");
  type("--precision", arguments->transformer.precision,
       "as train.precision: with bfloat16 copies in it are written too");
  add_threads(*command, arguments->threads);
  add_device_and_json(*command, arguments->device, arguments->json);
  command->callback([arguments, &session] {
    session.action = [=, &session] { return bench_optimizer_command(*arguments, session); };
  });
}

void add_step(CLI::App& bench, Session& session) {
  CLI::App* command = bench.add_subcommand("step", "Runs the training loop of an experiment for a few steps");
  auto arguments = std::make_shared<StepArguments>();
  arguments->experiment.shipped = kBenched;
  arguments->experiment.add_to(*command);
  command->add_option("--steps", arguments->steps, "measured, of which the median counts")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--warm-up", arguments->warm_up, "steps before these")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  command->add_option("--trace", arguments->trace, "file for a trace of two further steps, which Perfetto shows");
  add_device_and_json(*command, arguments->device, arguments->json);
  command->callback(
      [arguments, &session] { session.action = [=, &session] { return bench_step_command(*arguments, session); }; });
}

}  // namespace

void add_bench(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("bench", "Measures a part of Cairn by itself");
  command->require_subcommand(1);
  add_loader(*command, session);
  add_optimizer(*command, session);
  add_step(*command, session);
  add_bench_evaluate(*command, session);
}

}  // namespace cairn::cli

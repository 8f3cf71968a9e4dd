#include "evaluate/extract.h"

#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "cairn/error.h"
#include "checkpoint/option_table.h"
#include "checkpoint/original_models.h"
#include "cli/commands.h"
#include "cli/device.h"
#include "cli/extract_energy.h"
#include "cli/source_arguments.h"
#include "cli/written_place.h"
#include "data/quarantine.h"
#include "model/data_source.h"
#include "report/json_text.h"

namespace cairn::cli {
namespace {

struct ExtractArguments {
  SourceArguments source;
  std::string input, data, out;
  std::string modality, split = "all", level = "tokens", precision = "float32", device = "auto";
  std::vector<std::string> sets;
  std::vector<std::int64_t> layers;
  std::int64_t batch_size = 32, workers = 2, threads = 0;
  double max_bad_share = -1.0;
  bool energy = false;
  std::int64_t plans = 8;
  bool json = false;
};

std::vector<Split> parts(const std::string& name) {
  if (name == "train") return {Split::train};
  if (name == "test") return {Split::test};
  return {Split::train, Split::test};
}

ExtractOptions options(const ExtractArguments& arguments, const OpenedNetwork& network) {
  ExtractOptions options;
  options.level = arguments.level == "tokens" ? Level::tokens : Level::pooled;
  options.layers = arguments.layers;
  options.bfloat16 = arguments.precision == "bfloat16";
  options.device = choose_device(arguments.device);
  options.batch_size = arguments.batch_size;
  options.workers = arguments.workers;
  options.max_bad_share = arguments.max_bad_share;
  if (options.max_bad_share < 0)
    options.max_bad_share =
        network.model.data ? option_or(network.model.data->options, "max_bad_share", kUsualBadShare) : kUsualBadShare;
  return options;
}

/// What a reader of the file may want to know.
std::map<std::string, std::string> metadata(const OpenedNetwork& network, const std::vector<std::string>& classes) {
  std::map<std::string, std::string> all = {{"source", network.origin}, {"encoder", network.model.encoder.component}};
  if (!classes.empty()) all["classes"] = json_text(nlohmann::json(classes), -1);
  return all;
}

void print(const ExtractArguments& arguments, const OpenedNetwork& network, const RowFile& file,
           const std::vector<std::filesystem::path>& written, const ExtractSummary& summary) {
  if (arguments.json) {
    nlohmann::ordered_json out = {{"source", network.origin},
                                  {"encoder", network.model.encoder.component},
                                  {"samples", file.rows()},
                                  {"unreadable", nlohmann::json::array()},
                                  {"files", nlohmann::json::array()}};
    for (const BadSample& bad : summary.unreadable)
      out["unreadable"].push_back({{"path", bad.name}, {"reason", bad.reason}});
    for (const auto& path : written) out["files"].push_back(path.string());
    std::cout << json_text(out) << '\n';
    return;
  }
  for (const BadSample& bad : summary.unreadable)
    std::cout << fmt::format("unreadable, left out: {}: {}\n", bad.name, bad.reason);
  std::cout << fmt::format("features  of {} samples{}\n", file.rows(),
                           summary.unreadable.empty() ? "" : fmt::format(", {} left out", summary.unreadable.size()));
  for (const auto& path : written) std::cout << "wrote     " << path.string() << '\n';
}

[[noreturn]] void refuse_out(const std::string& out, const std::string& why) {
  throw ConfigError("--out", out + " " + why, "name another file");
}

/// What samples are read of, and the checkpoints of runs, stay as they are.
void require_unread(const ExtractArguments& arguments) {
  for (const std::string& read : {arguments.input, arguments.data})
    if (!read.empty() && lies_in(read, arguments.out))
      refuse_out(arguments.out, "is what is read and would be replaced");
  if (lies_in_checkpoints(arguments.out))
    refuse_out(arguments.out, "lies in a run's checkpoints, which are not touched");
}

/// So do the files of a published network; a run's folder may take features.
void require_apart(const OpenedNetwork& network, const ExtractArguments& arguments) {
  if (network.run.empty() && is_checkpoint_name(arguments.out) && std::filesystem::exists(arguments.out) &&
      lies_in(arguments.out, arguments.source.path))
    refuse_out(arguments.out, "belongs to the source and would be replaced");
}

int energy(const ExtractArguments& arguments, const Session& session) {
  PluginLoader loader = session.loader();
  std::vector<std::string> sets;
  for (const std::string& set : arguments.sets) sets.push_back(set.starts_with("modality.") ? set : "modality." + set);
  const EnergyFacts facts = extract_energy(
      {arguments.source.path, arguments.data, arguments.modality, sets, parts(arguments.split), arguments.out,
       arguments.plans, arguments.batch_size, arguments.workers, choose_device(arguments.device)},
      loader);
  if (arguments.json) {
    nlohmann::ordered_json out = {{"source", arguments.source.path},
                                  {"samples", facts.samples},
                                  {"unreadable", facts.unreadable},
                                  {"mean_energy", facts.mean},
                                  {"files", nlohmann::json::array()}};
    for (const auto& path : facts.files) out["files"].push_back(path.string());
    std::cout << json_text(out) << '\n';
    return kDone;
  }
  std::cout << fmt::format("energy    of {} samples, {:.4g} on average\n", facts.samples, facts.mean);
  if (facts.unreadable > 0) std::cout << fmt::format("unreadable, left out: {}\n", facts.unreadable);
  for (const auto& path : facts.files) std::cout << "wrote     " << path.string() << '\n';
  return kDone;
}

int extract(const ExtractArguments& arguments, const Session& session) {
  use_threads(arguments.threads);
  RowFile::check_ending(arguments.out);
  require_unread(arguments);
  if (arguments.energy) return energy(arguments, session);
  PluginLoader loader = session.loader();
  const OpenedNetwork network = open_network(arguments.source.path, arguments.source.options(), loader);
  require_apart(network, arguments);
  if (!arguments.json) std::cout << network.report() << std::flush;
  const ExtractOptions how = options(arguments, network);
  network.encoder->to(how.device);
  const std::string main = how.level == Level::tokens ? "last_hidden_state" : "pooled";
  ExtractSummary summary;
  if (!arguments.input.empty()) {
    RowFile file(arguments.out, main, metadata(network, {}));
    extract_tensors(network, arguments.input, how, file);
    print(arguments, network, file, file.finish(), summary);
    return kDone;
  }
  DataRequest request{std::nullopt, arguments.modality, arguments.sets};
  if (!arguments.data.empty()) request.path = arguments.data;
  const auto modality = open_data(network, request, loader);
  const std::vector<Split> asked = parts(arguments.split);
  RowFile file(arguments.out, main, metadata(network, class_names(*modality, asked)));
  summary = extract_samples(network, *modality, asked, how, file);
  if (file.rows() == 0)
    throw DataError("there is no sample to take features of", arguments.data, "check --data and --split");
  print(arguments, network, file, file.finish(), summary);
  return kDone;
}

void add_options(CLI::App& command, ExtractArguments& arguments) {
  auto* input = command
                    .add_option("--input", arguments.input,
                                "tensors: pixel_values [B,C,H,W], pixel_values_videos [B,T,C,H,W] or spectrogram "
                                "[B,1,T,F], prepared already")
                    ->type_name("T.safetensors");
  command.add_option("--data", arguments.data, "a folder or list of samples; default: the data of the run")
      ->type_name("PATH")
      ->excludes(input);
  command.add_option("--out", arguments.out, "where features go")
      ->required()
      ->check(not_empty())
      ->type_name("F.safetensors|F.npy");
  command.add_option("--modality", arguments.modality, "what reads and prepares --data; default: as the source says")
      ->type_name("TYPE");
  command.add_option("--set", arguments.sets, "an option of the modality, as in --set size=224; may be given again")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command.add_option("--split", arguments.split, "part of the data")
      ->check(CLI::IsMember({"all", "train", "test"}))
      ->capture_default_str();
  command.add_option("--level", arguments.level, "tokens: last_hidden_state and pooled; pooled: one vector a sample")
      ->check(CLI::IsMember({"tokens", "pooled"}))
      ->capture_default_str();
  command.add_option("--layers", arguments.layers, "blocks whose tokens are wanted too, from 0, as in --layers 5,11")
      ->delimiter(',');
  command.add_option("--precision", arguments.precision, "of the computation and of the file")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  command
      .add_option("--max-bad-share", arguments.max_bad_share,
                  "share of unreadable samples that stops; default: that of the run, or 0.05")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--batch-size", arguments.batch_size, "samples of one forward pass")
      ->check(above_zero())
      ->capture_default_str();
  command.add_option("--workers", arguments.workers, "threads that load")->check(above_zero())->capture_default_str();
  add_threads(command, arguments.threads);
  command.add_option("--device", arguments.device, "auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  auto* scores = command
                     .add_flag("--energy", arguments.energy,
                               "instead of features, how far the predictions of a run lie from what is there, of "
                               "each sample and token")
                     ->excludes(input);
  for (const char* of_features : {"--layers", "--level", "--precision", "--max-bad-share", "--weights", "--partial"})
    scores->excludes(command.get_option(of_features));
  command.add_option("--plans", arguments.plans, "masks that each sample is asked with for --energy")
      ->check(CLI::Range(1, 100000))
      ->needs(scores)
      ->capture_default_str();
  command.add_flag("--json", arguments.json, "print facts as JSON");
}

}  // namespace

void add_extract(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("extract", "Writes features of a folder, a list or a tensor file");
  auto arguments = std::make_shared<ExtractArguments>();
  arguments->source.add_to(*command, "CHECKPOINT");
  add_options(*command, *arguments);
  command->callback([arguments, &session] { session.action = [=, &session] { return extract(*arguments, session); }; });
}

}  // namespace cairn::cli

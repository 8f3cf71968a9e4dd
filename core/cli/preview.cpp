#include "report/preview.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "cairn/error.h"
#include "cli/commands.h"
#include "cli/compose.h"
#include "cli/device.h"
#include "cli/written_place.h"
#include "data/training_part.h"
#include "report/json_text.h"
#include "report/picture.h"

namespace cairn::cli {
namespace {

namespace fs = std::filesystem;

struct PreviewArguments {
  ExperimentArguments experiment;
  std::string out;
  std::int64_t samples = 8;
  std::int64_t step = 0;
  bool json = false;
};

/// Removes what an earlier call wrote, which would pass for this one's.
void remove_former(const fs::path& folder) {
  static const std::regex written(R"(sample-\d{2,}\.(png|(view|context)-\d+\.\w+))");
  std::vector<fs::path> former;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (std::regex_match(entry.path().filename().string(), written)) former.push_back(entry.path());
  for (const fs::path& path : former) fs::remove(path);
  if (!former.empty()) std::cerr << fmt::format("{} files of an earlier call removed\n", former.size());
}

int preview(const PreviewArguments& arguments, const Session& session) {
  PluginLoader plugins = session.loader();
  const Experiment experiment = arguments.experiment.load(plugins);
  use_threads(experiment.train.threads);
  const DataParts data = compose_data(experiment, plugins);
  LoaderOptions options = training_loader(experiment, experiment.train.steps);
  options.first = arguments.step * experiment.train.accumulate;  // the first part of the step's batch
  options.count = options.first + 1;
  Loader loader(data.training.feeds(), *data.masker, options);
  const auto tell_unreadable = [&] {
    for (const BadSample& sample : data.training.take_unreadable())
      std::cerr << fmt::format("unreadable, left out: {}: {}\n", sample.name, sample.reason);
  };
  Load load = next_or_tell(loader, tell_unreadable);
  tell_unreadable();
  const Modality& modality = load.feed->modality;
  Rng rng(experiment.seed, Stream::prepare, 0, static_cast<std::uint64_t>(options.first));
  modality.prepare(load.batch, Purpose::pretrain, rng);

  make_folder(arguments.out, "--out");
  remove_former(arguments.out);
  nlohmann::ordered_json files = nlohmann::ordered_json::array();
  for (std::int64_t row = 0; row < std::min(arguments.samples, load.batch.size()); ++row) {
    const fs::path stem = fs::path(arguments.out) / fmt::format("sample-{:02d}", row), file = stem.string() + ".png";
    write_png(file, preview_sheet(modality, load.batch, load.plan, row));
    nlohmann::ordered_json renditions = nlohmann::ordered_json::array();
    for (const fs::path& path : preview_renditions(modality, load.batch, load.plan, row, stem))
      renditions.push_back(path.string());
    files.push_back({{"file", file.string()},
                     {"sample", load.feed->source.name(load.batch.sample_id[row].item<std::int64_t>())},
                     {"renditions", renditions}});
  }
  if (arguments.json) {
    std::cout << json_text(nlohmann::ordered_json{{"pictures", files}}) << '\n';
    return kDone;
  }
  std::cout << preview_legend(load.batch, load.plan);
  for (const auto& file : files) {
    std::cout << file["file"].get<std::string>() << "  " << file["sample"].get<std::string>() << '\n';
    for (const auto& path : file["renditions"]) std::cout << path.get<std::string>() << '\n';
  }
  return kDone;
}

}  // namespace

void add_preview(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand(
      "preview",
      "Draws views, masks and targets as training would see them, one PNG a sample, and writes sounds back as WAV");
  auto arguments = std::make_shared<PreviewArguments>();
  arguments->experiment.add_to(*command);
  command->add_option("--out", arguments->out, "folder for the pictures; those of an earlier call are replaced")
      ->required()
      ->check(not_empty())
      ->type_name("DIR");
  command->add_option("--samples", arguments->samples, "how many samples of the batch, at most")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--step", arguments->step, "the training step whose batch is drawn")
      ->check(from_zero())
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "print facts as JSON");
  command->callback([arguments, &session] { session.action = [=, &session] { return preview(*arguments, session); }; });
}

}  // namespace cairn::cli

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
using Json = nlohmann::ordered_json;

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

/// Draws the first `rows` of a batch, and notes the files.
void draw(const fs::path& folder, const Load& load, std::int64_t rows, Json& files) {
  const Modality& modality = load.feed->modality;
  for (std::int64_t row = 0; row < std::min(rows, load.batch.size()); ++row) {
    const fs::path stem = folder / fmt::format("sample-{:02d}", files.size()), file = stem.string() + ".png";
    write_png(file, preview_sheet(modality, load.batch, load.plan, row));
    Json renditions = Json::array();
    for (const fs::path& path : preview_renditions(modality, load.batch, load.plan, row, stem))
      renditions.push_back(path.string());
    files.push_back({{"file", file.string()},
                     {"sample", load.feed->source.name(load.batch.sample_id[row].item<std::int64_t>())},
                     {"renditions", renditions}});
  }
}

/// As many samples of `count` as fall on part `part` of `parts`, earlier ones first.
std::int64_t share_of(std::int64_t count, std::int64_t part, std::int64_t parts) {
  return (count + parts - 1 - part) / parts;
}

int preview(const PreviewArguments& arguments, const Session& session) {
  PluginLoader plugins = session.loader();
  const Experiment experiment = arguments.experiment.load(plugins);
  use_threads(experiment.train.threads);
  const DataParts data = compose_data(experiment, plugins);
  const std::int64_t parts = experiment.train.accumulate;
  LoaderOptions options = training_loader(experiment, experiment.train.steps);
  options.first = arguments.step * parts;
  options.count = options.first + parts;
  Loader loader(data.training.feeds(), *data.masker, options);
  const auto tell_unreadable = [&] {
    for (const BadSample& sample : data.training.take_unreadable())
      std::cerr << fmt::format("unreadable, left out: {}: {}\n", sample.name, sample.reason);
  };
  make_folder(arguments.out, "--out");
  Json files = Json::array();
  std::string legend;
  for (std::int64_t part = 0; part < std::min(parts, arguments.samples); ++part) {
    Load load = next_or_tell(loader, tell_unreadable);
    tell_unreadable();
    Rng rng(experiment.seed, Stream::prepare, 0, static_cast<std::uint64_t>(options.first + part));
    load.feed->modality.prepare(load.batch, Purpose::pretrain, rng);
    if (part == 0) remove_former(arguments.out);
    draw(arguments.out, load, share_of(arguments.samples, part, parts), files);
    if (const std::string own = preview_legend(load.batch, load.plan); legend.find(own) == std::string::npos)
      legend += own;
  }
  if (arguments.json) {
    std::cout << json_text(Json{{"pictures", files}}) << '\n';
    return kDone;
  }
  std::cout << legend;
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
  command
      ->add_option("--samples", arguments->samples,
                   "how many samples of the batch, at most; as many of each part of it (train.accumulate)")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--step", arguments->step, "the training step whose batch is drawn")
      ->check(from_zero())
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "print facts as JSON");
  command->callback([arguments, &session] { session.action = [=, &session] { return preview(*arguments, session); }; });
}

}  // namespace cairn::cli

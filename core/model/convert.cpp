#include "model/convert.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "cairn/error.h"
#include "checkpoint/atomic_folder.h"
#include "checkpoint/cairn_folder.h"
#include "checkpoint/huggingface.h"
#include "checkpoint/option_table.h"
#include "checkpoint/preprocessor.h"
#include "model/data_source.h"
#include "model/noise.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

// Of features, relative to the largest: other orders of sums, as one joined matrix product instead of three.
constexpr double kSameFeatures = 1e-5;

/// The largest difference between the features of a source and those of what was written, relative to the largest
/// feature.
double difference(const OpenedNetwork& network, const fs::path& folder, bool partial, PluginLoader& loader) {
  const at::NoGradGuard no_grad;
  const OpenedNetwork written = open_network(folder, {std::nullopt, partial}, loader);
  const View view = noise_view(network.model.tokenizer, network.model.grid);
  const auto tokens = [&](const OpenedNetwork& one) { return one.encoder->encode(view, {}).tokens; };
  const at::Tensor wanted = tokens(network);
  return ((tokens(written) - wanted).abs().max() / wanted.abs().max()).item<double>();
}

/// A picture of one grey value as the modality hands it to the network, the mean of each channel [C].
at::Tensor prepared(const Modality& modality, const std::vector<std::int64_t>& size, std::int64_t value) {
  Batch batch;
  batch.views = {{at::full(size, value, at::kByte), {}, ViewRole::global}};
  batch.sample_id = at::zeros({1}, at::kLong);
  batch.label = at::full({1}, -1, at::kLong);
  Rng rng(0, Stream::prepare);
  modality.prepare(batch, Purpose::evaluate, rng);
  return batch.views.front().data.to(at::kDouble).mean({0, 2, 3});
}

Value::Array rounded(const at::Tensor& values) {
  constexpr double kDigits = 1e6;
  Value::Array all;
  for (std::int64_t i = 0; i < values.numel(); ++i)
    all.emplace_back(std::round(values[i].item<double>() * kDigits) / kDigits);
  return all;
}

/// How the run's modality prepares pictures, as a published processor would be told: mean and deviation are found by
/// showing it black and white. Nothing for what is no such processor.
std::optional<Value::Table> processor_options(const OpenedNetwork& network, PluginLoader& loader) {
  const PublishedModel& model = network.model;
  if (!model.data || model.tokenizer.axes.size() != 2 || model.tokenizer.channels != 3) return std::nullopt;
  if (model.data->component.empty()) return model.data->options;
  const auto size = option_or(model.data->options, "size", std::int64_t{0});
  if (size < 1) return std::nullopt;
  const auto modality = open_data(network, {}, loader);
  const std::vector<std::int64_t> extent = {1, model.tokenizer.channels, size, size};
  const at::Tensor black = prepared(*modality, extent, 0), white = prepared(*modality, extent, 255);
  const at::Tensor spread = white - black;
  if (spread.le(0).any().item<bool>()) return std::nullopt;  // each picture has statistics of its own
  const auto resize = option_or(model.data->options, "evaluate_resize", std::int64_t{0});
  return Value::Table{{"resize", Value(resize > 0 ? resize : size)},
                      {"crop", Value(size)},
                      {"interpolation", Value(option_or(model.data->options, "interpolation", std::string("bicubic")))},
                      {"mean", Value(rounded(-black / spread))},
                      {"std", Value(rounded(spread.reciprocal()))}};
}

/// Neither format keeps what a published model has behind its features.
void note_head(const OpenedNetwork& network, ConvertReport& report) {
  if (network.model.head) report.left_out.push_back(network.model.head->is_pooler ? "pooler" : "classifier");
}

void write_config(AtomicFolder& folder, const nlohmann::ordered_json& config) {
  fs::remove(folder.file("config.json"));
  folder.write_file("config.json", config.dump(2) + "\n");
}

}  // namespace

ConvertReport convert_to_cairn(const OpenedNetwork& network, const fs::path& to, PluginLoader& loader) {
  AtomicFolder folder(to);
  write_cairn_folder(folder, network.model);
  ConvertReport report{"Cairn", network.left_out};
  note_head(network, report);
  report.difference = difference(network, folder.file(kCairnFile).parent_path(), /*partial=*/false, loader);
  if (!(report.difference <= kSameFeatures))
    throw Error("the converted network gives other features than its source", to.string(),
                "this is a fault of Cairn or of the encoder's plugin; nothing was written");
  folder.commit();
  return report;
}

ConvertReport convert_to_huggingface(const OpenedNetwork& network, const fs::path& to, bool partial,
                                     PluginLoader& loader) {
  const HuggingFaceFiles files = make_huggingface(network.model, partial);
  AtomicFolder folder(to);
  folder.write_file("model.safetensors", [&](FileWriter& writer) {
    write_safetensors(writer, files.tensors, {{"format", "pt"}});
  });
  // Without what Cairn adds, so that it is read back as transformers reads it.
  write_config(folder, files.config);
  ConvertReport report{files.config["architectures"][0].get<std::string>() + " of transformers", files.skipped};
  report.difference = difference(network, folder.file("config.json").parent_path(), partial, loader);
  if (!(report.difference <= kSameFeatures) && !partial)
    throw Error(fmt::format("{} would give other features than this network: they differ by {:.2g} of the largest one",
                            report.written_as, report.difference),
                network.origin, "convert it with --to cairn; nothing was written");
  nlohmann::ordered_json config = files.config;
  config["cairn"] = files.own;
  write_config(folder, config);
  if (const auto processor = processor_options(network, loader)) {
    folder.write_file(kPreprocessorFile, preprocessor_json(*processor).dump(2) + "\n");
  } else {
    report.left_out.push_back(std::string(kPreprocessorFile) +
                              ": how its samples are prepared is no picture processor");
  }
  for (const std::string& part : network.left_out) report.left_out.push_back(part);
  if (network.model.projector) report.left_out.push_back("projector");
  if (network.model.predictor && !files.has_predictor) report.left_out.push_back("predictor");
  note_head(network, report);
  folder.commit();
  return report;
}

}  // namespace cairn

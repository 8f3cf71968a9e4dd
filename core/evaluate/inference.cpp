#include "cairn/inference.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "cairn/error.h"
#include "evaluate/extract.h"
#include "model/data_source.h"
#include "plugin/loader.h"

namespace cairn {
namespace {

SourceOptions source_options(const ModelOptions& options) {
  SourceOptions source;
  if (options.weights == "student") source.weights = WeightsOf::student;
  if (options.weights == "teacher") source.weights = WeightsOf::teacher;
  if (!options.weights.empty() && !source.weights)
    throw Error("there are no weights called '" + options.weights + "'", "", "say student or teacher");
  return source;
}

/// The one sample of a file, prepared for the network.
at::Tensor read_sample(const OpenedNetwork& network, const std::filesystem::path& file, PluginLoader& loader) {
  const auto modality = open_data(network, {file, {}, {}}, loader);
  auto source = modality->open(Split::train, Purpose::evaluate);
  if (!source || source->size() == 0) source = modality->open(Split::test, Purpose::evaluate);
  if (!source || source->size() == 0) throw DataError("there is no sample in it", file.string());
  Rng load(0, Stream::load), prepare(0, Stream::prepare);
  Batch batch = modality->collate({source->load(0, load)}, Purpose::evaluate);
  modality->prepare(batch, Purpose::evaluate, prepare);
  return batch.views.front().data;
}

}  // namespace

struct Model::Parts {
  mutable PluginLoader loader;
  OpenedNetwork network;
  ExtractOptions options;
};

Model::Model(const std::filesystem::path& source, const ModelOptions& options)
    : parts_(std::make_unique<Parts>(Parts{PluginLoader(options.plugin_path), {}, {}})) {
  parts_->network = open_network(source, source_options(options), parts_->loader);
  parts_->options.layers = options.layers;
  parts_->options.device = at::Device(options.device);
  parts_->network.encoder->to(parts_->options.device);
}

Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

ModelFeatures Model::operator()(const at::Tensor& data) const {
  const TensorMap features = extract_features(parts_->network, data, parts_->options);
  ModelFeatures out{features.at("last_hidden_state"), features.at("pooled"), {}};
  for (const std::int64_t layer : parts_->options.layers)
    out.layers.push_back(features.at(fmt::format("layer.{}", layer)));
  return out;
}

ModelFeatures Model::operator()(const std::filesystem::path& file) const {
  if (file.extension() == ".safetensors")
    return (*this)(input_data(read_safetensors(file).tensors, parts_->network, file.string()));
  return (*this)(read_sample(parts_->network, file, parts_->loader));
}

std::int64_t Model::width() const { return parts_->network.encoder->width(); }

std::vector<std::int64_t> Model::input_shape() const {
  const PublishedModel& model = parts_->network.model;
  std::vector<std::int64_t> shape = {model.tokenizer.channels};
  for (std::size_t i = 0; i < model.tokenizer.patch.size(); ++i)
    shape.push_back(model.tokenizer.patch[i] * model.grid.extent.at(i));
  return shape;
}

std::string Model::report() const { return parts_->network.report(); }

}  // namespace cairn

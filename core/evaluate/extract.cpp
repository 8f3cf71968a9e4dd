#include "evaluate/extract.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "cairn/error.h"
#include "checkpoint/option_table.h"
#include "evaluate/features.h"
#include "nn/autocast.h"
#include "plugin/guard.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSeed = 0;

void check_layers(const OpenedNetwork& network, const std::vector<std::int64_t>& layers) {
  for (const std::int64_t layer : layers)
    if (layer < 0 || layer >= network.encoder->depth())
      throw ConfigError("--layers", fmt::format("there is no block {}; this encoder has blocks 0 to {}", layer,
                                                network.encoder->depth() - 1));
}

/// Length of the longest name of a data set's samples.
std::int64_t longest_name(const std::vector<std::unique_ptr<SampleSource>>& sources) {
  std::size_t longest = 1;
  for (const auto& source : sources)
    for (std::int64_t i = 0; i < source->size(); ++i) longest = std::max(longest, source->name(i).size());
  return static_cast<std::int64_t>(longest);
}

at::Tensor name_rows(const SampleSource& source, std::span<const std::int64_t> index, std::int64_t width) {
  at::Tensor rows = at::zeros({static_cast<std::int64_t>(index.size()), width}, at::kByte);
  auto* out = rows.mutable_data_ptr<std::uint8_t>();
  for (const std::int64_t i : index) {
    const std::string name = source.name(i);
    std::memcpy(out, name.data(), name.size());
    out += width;
  }
  return rows;
}

/// DataError where more of the samples so far than `max_share` could not be read.
void check_share(const SampleReader& reader, double max_share) {
  std::int64_t count = 0;
  for (const BadSample& bad : reader.bad()) {
    const std::int64_t tried = std::min(reader.size(), std::max(bad.index + 1, kSmallestBasis));
    if (is_too_many(++count, tried, max_share))
      throw too_many_bad(count, bad.index + 1, max_share, bad, "--max-bad-share");
  }
}

std::vector<std::unique_ptr<SampleSource>> open_parts(const Modality& modality, const std::vector<Split>& parts) {
  std::vector<std::unique_ptr<SampleSource>> sources;
  for (const Split part : parts)
    if (auto source = modality.open(part, Purpose::evaluate)) sources.push_back(std::move(source));
  return sources;
}

const at::Tensor* find(const TensorMap& tensors, const char* name) {
  const auto found = tensors.find(name);
  return found == tensors.end() ? nullptr : &found->second;
}

at::Tensor as_clip(const at::Tensor& data, std::int64_t tubelet) {
  at::Tensor clip = data.transpose(1, 2);  // [B,T,C,H,W] to [B,C,T,H,W]
  // As transformers does, so that its checkpoints answer alike.
  return clip.size(2) < tubelet ? clip.repeat({1, 1, tubelet, 1, 1}) : clip;
}

}  // namespace

TensorMap extract_features(const OpenedNetwork& network, const at::Tensor& data, const ExtractOptions& options) {
  check_layers(network, options.layers);
  const at::NoGradGuard no_grad;
  const Autocast autocast(options.device.type(), options.bfloat16);
  std::vector<std::int64_t> taps = options.layers;
  std::sort(taps.begin(), taps.end());
  taps.erase(std::unique(taps.begin(), taps.end()), taps.end());
  const View view = network.view(data.to(options.device, at::kFloat));
  const Encoded encoded = call_plugin(network.model.encoder.component, [&] {
    return network.encoder->encode(view, {{}, {}, taps});
  });
  TensorMap features = {{"pooled", encoded.pooled}};
  if (options.level == Level::tokens) features["last_hidden_state"] = last_hidden_state(encoded);
  for (std::size_t i = 0; i < taps.size(); ++i) features[fmt::format("layer.{}", taps[i])] = encoded.taps.at(i);
  for (auto& [name, tensor] : features) tensor = tensor.to(at::kCPU, options.bfloat16 ? at::kBFloat16 : at::kFloat);
  return features;
}

at::Tensor input_data(const TensorMap& tensors, const OpenedNetwork& network, const std::string& where) {
  const TokenizerSpec& spec = network.model.tokenizer;
  const auto axes = static_cast<std::int64_t>(spec.axes.size());
  const bool is_video = !spec.axes.empty() && spec.axes.front() == Axis::time && axes == 3;
  const at::Tensor* found = nullptr;
  for (const char* name : {"pixel_values_videos", "pixel_values", "spectrogram"})
    if (found == nullptr) found = find(tensors, name);
  if (found == nullptr)
    throw DataError("the file holds none of pixel_values, pixel_values_videos and spectrogram", where,
                    "save the prepared input under one of these names");
  at::Tensor data = *found;
  if (is_video && data.dim() == 4) data = data.unsqueeze(1);
  if (data.dim() != axes + 2)
    throw DataError(
        fmt::format("the input has the shape [{}], and the network sees {} axes", fmt::join(data.sizes(), ", "), axes),
        where, "give a batch that was prepared for this kind of network");
  const bool is_picture =
      is_video && data.size(1) == 1 && option_or(network.model.encoder.options, "picture_tokenizer", false);
  if (is_picture) {
    data = data.transpose(1, 2);
  } else if (is_video) {
    data = as_clip(data, spec.patch.front());
  }
  if (data.size(1) != spec.channels)
    throw DataError(fmt::format("the input has {} channels, and the network sees {}", data.size(1), spec.channels),
                    where);
  return data;
}

void extract_tensors(const OpenedNetwork& network, const fs::path& input, const ExtractOptions& options, RowFile& out) {
  const at::Tensor data = input_data(read_safetensors(input).tensors, network, input.string());
  if (data.size(0) == 0) throw DataError("there is no sample in it", input.string());
  for (std::int64_t from = 0; from < data.size(0); from += options.batch_size)
    out.append(
        extract_features(network, data.narrow(0, from, std::min(options.batch_size, data.size(0) - from)), options));
}

std::vector<std::string> class_names(const Modality& modality, const std::vector<Split>& parts) {
  const auto sources = open_parts(modality, parts);
  return sources.empty() ? std::vector<std::string>() : sources.front()->classes();
}

ExtractSummary extract_samples(const OpenedNetwork& network, const Modality& modality, const std::vector<Split>& parts,
                               const ExtractOptions& options, RowFile& out) {
  ExtractSummary summary;
  const at::NoGradGuard no_grad;
  const std::int64_t width = longest_name(open_parts(modality, parts));
  for (const Split part : parts) {
    const auto source = modality.open(part, Purpose::evaluate);
    if (!source) continue;
    std::vector<std::int64_t> all(static_cast<std::size_t>(source->size()));
    std::iota(all.begin(), all.end(), 0);
    SampleReader reader(modality, *source, std::move(all), options.batch_size, kSeed);
    reader.visit(options.device, options.workers, [&](const Batch& batch, std::span<const std::int64_t> index) {
      check_share(reader, options.max_bad_share);
      TensorMap rows = extract_features(network, batch.views.front().data, options);
      rows["sample_id"] = batch.sample_id.cpu();
      rows["label"] = batch.label.cpu();
      rows["split"] = at::full({batch.size()}, part == Split::train ? 0 : 1, at::kByte);
      rows["path"] = name_rows(*source, index, width);
      out.append(rows);
    });
    check_share(reader, options.max_bad_share);
    summary.unreadable.insert(summary.unreadable.end(), reader.bad().begin(), reader.bad().end());
  }
  return summary;
}

}  // namespace cairn

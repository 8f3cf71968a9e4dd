#include "model/published_network.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "cairn/error.h"
#include "checkpoint/option_table.h"
#include "nn/skip_random_fill.h"
#include "plugin/guard.h"
#include "plugin/search.h"

namespace cairn {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

Tensors tensors_of(const torch::nn::Module& module) {
  Tensors all;
  for (const auto& parameter : module.named_parameters()) all[parameter.key()] = parameter.value();
  for (const auto& buffer : module.named_buffers()) all[buffer.key()] = buffer.value();
  return all;
}

/// Whether one can stand for the other: real numbers are not taken from whole ones.
bool is_alike(const at::Tensor& own, const at::Tensor& other) {
  return own.sizes() == other.sizes() && own.is_floating_point() == other.is_floating_point();
}

/// Makes the weights those of the network, without a copy where their type is the network's.
void take_over(const Tensors& own, const Tensors& weights) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : own)
    if (const auto source = weights.find(name); source != weights.end() && is_alike(tensor, source->second))
      at::Tensor(tensor).set_data(source->second.to(tensor.scalar_type()).contiguous());
}

std::string option_names(const PublishedNetwork& network) {
  std::string text;
  for (const auto& [name, value] : network.options) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::vector<const Component*> candidates(ComponentKind kind, const PublishedNetwork& wanted, const std::string& format,
                                         PluginLoader& loader) {
  if (!wanted.component.empty()) return {&loader.component(kind, wanted.component)};
  auto found = search_components(loader, kind, [&](const Component& component) {
    return std::all_of(wanted.options.begin(), wanted.options.end(),
                       [&](const auto& option) { return component.schema->find(option.first) != nullptr; });
  });
  if (found.empty())
    throw PluginError(fmt::format("no plugin on the path can build the {} of this {}", kind_name(kind), format), "",
                      "its options must be: " + option_names(wanted));
  return found;
}

template <class Network, class NetworkFactory, class Setting>
Published<Network> build(ComponentKind kind, const PublishedNetwork& wanted, const Setting& setting,
                         const PublishedModel& model, PluginLoader& loader) {
  std::string faults;
  for (const Component* candidate : candidates(kind, wanted, model.format, loader)) {
    const auto network = call_plugin(candidate->plugin, candidate->full_name(), [&] {
      // What a partial load leaves out must be as a fresh network has it.
      std::optional<nn::SkipRandomFill> skip;
      if (!model.is_partial) skip.emplace();
      return std::get<NetworkFactory>(candidate->factory)(wanted.options, setting);
    });
    const Tensors own = tensors_of(*network);
    const std::vector<std::string> found = misfits(own, wanted.weights);
    if (found.empty() || model.is_partial) {
      take_over(own, wanted.weights);
      network->eval();
      return {network, candidate->full_name(), found};
    }
    faults += fmt::format("\n{} does not fit:\n  {}", candidate->full_name(), fmt::join(found, "\n  "));
  }
  throw Error(fmt::format("the weights of this {} fit no {}:{}", model.format, kind_name(kind), faults));
}

}  // namespace

std::vector<std::string> misfits(const Tensors& own, const Tensors& weights) {
  std::vector<std::string> found;
  for (const auto& [name, tensor] : own) {
    const auto source = weights.find(name);
    if (source == weights.end()) {
      found.push_back("missing: " + name);
    } else if (source->second.sizes() != tensor.sizes()) {
      found.push_back(fmt::format("of another shape: {} [{}], the network has [{}]", name,
                                  fmt::join(source->second.sizes(), ", "), fmt::join(tensor.sizes(), ", ")));
    } else if (!is_alike(tensor, source->second)) {
      found.push_back(fmt::format("of another type: {} holds {}, the network {}", name,
                                  c10::toString(source->second.scalar_type()), c10::toString(tensor.scalar_type())));
    }
  }
  for (const auto& [name, tensor] : weights)
    if (!own.contains(name)) found.push_back("left over: " + name);
  return found;
}

Published<Encoder> build_encoder(const PublishedModel& model, const PublishedNetwork& network, PluginLoader& loader) {
  const EncoderSetting setting{model.tokenizer, {{model.grid, ViewRole::global}}};
  return build<Encoder, EncoderFactory>(ComponentKind::encoder, network, setting, model, loader);
}

Published<Predictor> build_predictor(const PublishedModel& model, std::int64_t width, PluginLoader& loader) {
  if (!model.predictor) throw Error("this " + model.format + " has no predictor");
  const PublishedNetwork& predictor = *model.predictor;
  const std::int64_t input = predictor.input_width > 0 ? predictor.input_width : width;
  const std::int64_t output = predictor.output_width > 0 ? predictor.output_width : input;
  const PredictorSetting setting{input, output, {{model.grid, ViewRole::global}}};
  return build<Predictor, PredictorFactory>(ComponentKind::predictor, predictor, setting, model, loader);
}

View view_for(const PublishedModel& model, const at::Tensor& data) {
  TokenizerSpec tokenizer = model.tokenizer;
  const auto axes = static_cast<std::int64_t>(tokenizer.patch.size());
  if (!option_or(model.encoder.options, "picture_tokenizer", false))
    return {data, tokenizer.grid(data.sizes().slice(2).vec()), ViewRole::global};
  const at::Tensor clip = data.dim() == axes + 1 ? data.unsqueeze(2) : data;
  if (clip.size(2) == 1) tokenizer.patch.front() = 1;
  return {clip, tokenizer.grid(clip.sizes().slice(2).vec()), ViewRole::global};
}

PublishedNetwork fused(const PublishedNetwork& encoder) {
  PublishedNetwork all = encoder;
  const Value* levels = find_option(encoder.options, "levels");
  if (levels != nullptr && !std::get<Value::Array>(levels->data).empty()) set_option(all.options, "fuse", Value(true));
  return all;
}

namespace {

/// The first blocks of an encoder, and its norm behind them.
PublishedNetwork first_blocks(const PublishedNetwork& encoder, std::int64_t depth) {
  PublishedNetwork part = encoder;
  std::erase_if(part.weights, [&](const auto& entry) {
    constexpr std::string_view kBlocks = "blocks.";
    return entry.first.starts_with(kBlocks) && std::stoll(entry.first.substr(kBlocks.size())) >= depth;
  });
  set_option(part.options, "depth", Value(depth));
  return part;
}

at::Tensor apply_attentive(const PublishedHead& head, const Encoded& encoded) {
  const auto rows = head.weights.find("classifier.weight");
  if (rows == head.weights.end()) throw Error("the head has no classifier");
  nn::AttentiveClassifier classifier(head.pooler, rows->second.size(0));
  const Tensors own = tensors_of(classifier);
  if (const auto found = misfits(own, head.weights); !found.empty())
    throw Error(fmt::format("the weights of the attentive head do not fit:\n  {}", fmt::join(found, "\n  ")));
  take_over(own, head.weights);
  return classifier.forward(encoded.tokens);
}

/// The class token, or the first patch, [B,D].
at::Tensor first_token(const Encoded& encoded) {
  return (encoded.special.defined() ? encoded.special : encoded.tokens).select(1, 0);
}

/// What a linear head looks at, [B,F].
at::Tensor head_input(const PublishedModel& model, const View& view, const Encoded& encoded, PluginLoader& loader) {
  const PublishedHead& head = *model.head;
  std::vector<at::Tensor> parts;
  const auto depth = option_or(model.encoder.options, "depth", std::int64_t{0});
  if (head.input != HeadInput::mean) {
    for (std::int64_t end = depth - head.blocks + 1; end < depth; ++end)
      parts.push_back(
          first_token(build_encoder(model, first_blocks(model.encoder, end), loader).network->encode(view, {})));
    parts.push_back(first_token(encoded));
  }
  if (head.input != HeadInput::first) parts.push_back(encoded.tokens.mean(1));
  return at::cat(parts, 1);
}

}  // namespace

at::Tensor apply_head(const PublishedModel& model, const View& view, const Encoded& encoded, PluginLoader& loader) {
  const PublishedHead& head = *model.head;
  if (head.input == HeadInput::attentive) return apply_attentive(head, encoded);
  at::Tensor x = head_input(model, view, encoded, loader);
  const auto affine = [&](const std::string& name) {
    return std::pair(head.weights.at(name + ".weight").to(at::kFloat), head.weights.at(name + ".bias").to(at::kFloat));
  };
  if (head.weights.contains("norm.weight")) {
    const auto [weight, bias] = affine("norm");
    x = at::layer_norm(x, weight.sizes(), weight, bias, head.epsilon);
  }
  const auto [weight, bias] = affine("linear");
  x = at::linear(x, weight, bias);
  return head.is_pooler ? nn::activate(x, head.activation) : x;
}

}  // namespace cairn

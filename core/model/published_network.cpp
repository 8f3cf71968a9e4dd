#include "model/published_network.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cairn/error.h"
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

/// Every name that does not fit, a sentence each.
std::vector<std::string> misfits(const Tensors& own, const Tensors& weights) {
  std::vector<std::string> found;
  for (const auto& [name, tensor] : own) {
    const auto source = weights.find(name);
    if (source == weights.end()) {
      found.push_back("missing: " + name);
    } else if (source->second.sizes() != tensor.sizes()) {
      found.push_back(fmt::format("of another shape: {} [{}], the network has [{}]", name,
                                  fmt::join(source->second.sizes(), ", "), fmt::join(tensor.sizes(), ", ")));
    }
  }
  for (const auto& [name, tensor] : weights)
    if (!own.contains(name)) found.push_back("left over: " + name);
  return found;
}

/// Makes the weights those of the network, without a copy where their type is the network's.
void take_over(const Tensors& own, const Tensors& weights) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : own)
    if (const auto source = weights.find(name); source != weights.end() && source->second.sizes() == tensor.sizes())
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

Published<Encoder> build_encoder(const PublishedModel& model, const PublishedNetwork& network, PluginLoader& loader) {
  const EncoderSetting setting{model.tokenizer, {{model.grid, ViewRole::global}}};
  return build<Encoder, EncoderFactory>(ComponentKind::encoder, network, setting, model, loader);
}

Published<Predictor> build_predictor(const PublishedModel& model, std::int64_t width, PluginLoader& loader) {
  if (!model.predictor) throw Error("this " + model.format + " has no predictor");
  const std::int64_t output = model.predictor->output_width > 0 ? model.predictor->output_width : width;
  const PredictorSetting setting{width, output, {{model.grid, ViewRole::global}}};
  return build<Predictor, PredictorFactory>(ComponentKind::predictor, *model.predictor, setting, model, loader);
}

at::Tensor apply_head(const PublishedHead& head, const Encoded& encoded) {
  if (head.input == HeadInput::attentive) {
    const auto rows = head.weights.find("classifier.weight");
    if (rows == head.weights.end()) throw Error("the head has no classifier");
    nn::AttentiveClassifier classifier(head.pooler, rows->second.size(0));
    const Tensors own = tensors_of(classifier);
    if (const auto found = misfits(own, head.weights); !found.empty())
      throw Error(fmt::format("the weights of the attentive head do not fit:\n  {}", fmt::join(found, "\n  ")));
    take_over(own, head.weights);
    return classifier.forward(encoded.tokens);
  }
  const at::Tensor& leading = encoded.special.defined() ? encoded.special : encoded.tokens;
  const at::Tensor first = leading.select(1, 0);
  at::Tensor x = head.input == HeadInput::first  ? first
                 : head.input == HeadInput::mean ? encoded.tokens.mean(1)
                                                 : at::cat({first, encoded.tokens.mean(1)}, 1);
  const auto affine = [&](const std::string& name) {
    return std::pair(head.weights.at(name + ".weight"), head.weights.at(name + ".bias"));
  };
  if (head.weights.contains("norm.weight")) {
    const auto [weight, bias] = affine("norm");
    x = at::layer_norm(x, weight.sizes(), weight, bias);
  }
  const auto [weight, bias] = affine("linear");
  x = at::linear(x, weight, bias);
  return head.is_pooler ? x.tanh() : x;
}

}  // namespace cairn

#include "model/published_network.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cairn/error.h"
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

/// Every name that does not fit, a line each; empty where all do.
std::string misfit(const Tensors& own, const Tensors& weights) {
  std::string text;
  for (const auto& [name, tensor] : own) {
    const auto found = weights.find(name);
    if (found == weights.end()) {
      text += "\n  missing: " + name;
    } else if (found->second.sizes() != tensor.sizes()) {
      text += fmt::format("\n  of another shape: {} [{}], the network has [{}]", name,
                          fmt::join(found->second.sizes(), ", "), fmt::join(tensor.sizes(), ", "));
    }
  }
  for (const auto& [name, tensor] : weights)
    if (!own.contains(name)) text += "\n  left over: " + name;
  return text;
}

std::string option_names(const PublishedNetwork& network) {
  std::string text;
  for (const auto& [name, value] : network.options) text += (text.empty() ? "" : ", ") + name;
  return text;
}

template <class Network, class NetworkFactory, class Setting>
Published<Network> build(ComponentKind kind, const PublishedNetwork& wanted, const Setting& setting,
                         const std::string& format, PluginLoader& loader) {
  const auto candidates = search_components(loader, kind, [&](const Component& component) {
    return std::all_of(wanted.options.begin(), wanted.options.end(),
                       [&](const auto& option) { return component.schema->find(option.first) != nullptr; });
  });
  if (candidates.empty())
    throw PluginError(fmt::format("no plugin on the path can build the {} of this {}", kind_name(kind), format), "",
                      "its options must be: " + option_names(wanted));
  std::string faults;
  for (const Component* candidate : candidates) {
    const auto network = call_plugin(candidate->plugin, candidate->full_name(), [&] {
      return std::get<NetworkFactory>(candidate->factory)(wanted.options, setting);
    });
    const Tensors own = tensors_of(*network);
    const std::string fault = misfit(own, wanted.weights);
    if (fault.empty()) {
      const at::NoGradGuard no_grad;
      for (const auto& [name, tensor] : own) at::Tensor(tensor).copy_(wanted.weights.at(name));
      network->eval();
      return {network, candidate->full_name()};
    }
    faults += fmt::format("\n{} does not fit:{}", candidate->full_name(), fault);
  }
  throw Error(fmt::format("the weights of this {} fit no {}:{}", format, kind_name(kind), faults));
}

}  // namespace

Published<Encoder> build_encoder(const PublishedModel& model, const PublishedNetwork& network, PluginLoader& loader) {
  const EncoderSetting setting{model.tokenizer, {{model.grid, ViewRole::global}}};
  return build<Encoder, EncoderFactory>(ComponentKind::encoder, network, setting, model.format, loader);
}

Published<Predictor> build_predictor(const PublishedModel& model, std::int64_t width, PluginLoader& loader) {
  if (!model.predictor) throw Error("this " + model.format + " has no predictor");
  const PredictorSetting setting{width, width, {{model.grid, ViewRole::global}}};
  return build<Predictor, PredictorFactory>(ComponentKind::predictor, *model.predictor, setting, model.format, loader);
}

}  // namespace cairn

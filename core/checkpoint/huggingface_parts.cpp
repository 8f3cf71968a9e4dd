#include "checkpoint/huggingface_parts.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "cairn/error.h"
#include "cairn/nn/positions.h"
#include "checkpoint/json_value.h"
#include "checkpoint/option_table.h"

namespace cairn {
namespace {

using nn::Activation;

// Of two names for one the first is written.
constexpr std::initializer_list<std::pair<const char*, Activation>> kPublishedActivations = {
    {"gelu", Activation::gelu},
    {"gelu_python", Activation::gelu},
    {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"gelu_new", Activation::gelu_tanh},
    {"gelu_fast", Activation::gelu_tanh},
    {"quick_gelu", Activation::quick_gelu},
    {"relu", Activation::relu},
    {"silu", Activation::silu},
    {"swish", Activation::silu},
    {"tanh", Activation::tanh},
    {"sigmoid", Activation::sigmoid}};

/// nullptr where there is none.
const char* name_in(Choices<Activation> names, Activation wanted) {
  const auto found =
      std::find_if(names.begin(), names.end(), [&](const auto& entry) { return entry.second == wanted; });
  return found == names.end() ? nullptr : found->first;
}

const Activation* named(Choices<Activation> names, const std::string& name) {
  const auto found = std::find_if(names.begin(), names.end(), [&](const auto& entry) { return entry.first == name; });
  return found == names.end() ? nullptr : &found->second;
}

}  // namespace

void add_network(const KeyMap& keys, const TensorMap& network, const std::string& type, const std::string& format,
                 bool partial, HuggingFaceFiles& files) {
  MappedTensors mapped = keys.to_file(network);
  if (!mapped.missing.empty())
    throw Error(fmt::format("{} needs tensors that this network has not: {}", type, mapped.missing.front()), format,
                "convert it with --to cairn");
  if (!mapped.misfits.empty()) throw Error(fmt::format("{}: a tensor {}", type, mapped.misfits.front()), format);
  const std::vector<std::string> left = left_over(network, mapped);
  if (!left.empty() && !partial) {
    std::string names;
    for (const std::string& name : left) names += "\n  " + name;
    throw Error(fmt::format("the class {} of transformers has no place for:{}", type, names), format,
                "convert it with --to cairn, or leave them out with --partial");
  }
  files.tensors.merge(mapped.tensors);
  files.skipped.insert(files.skipped.end(), left.begin(), left.end());
}

std::int64_t heads_of(const PublishedNetwork& network, const std::string& format) {
  const auto heads = option_or(network.options, "heads", std::int64_t{0});
  if (heads < 1) throw Error("the number of attention heads of this network is not known", format);
  return heads;
}

Activation read_activation(const JsonFile& config, const char* key, Activation usual) {
  const auto name = config.value(key, std::string(name_in(kPublishedActivations, usual)));
  if (const Activation* found = named(kPublishedActivations, name)) return *found;
  throw DataError(fmt::format("{} is \"{}\", an activation that Cairn does not have", key, name),
                  config.path().string());
}

void set_activation(Activation activation, Value::Table& options) {
  set_option(options, "activation", Value(std::string(name_in(nn::kActivations, activation))));
}

std::string activation_of(const PublishedNetwork& network) {
  const Activation* own = named(nn::kActivations, option_or(network.options, "activation", std::string("gelu")));
  return name_in(kPublishedActivations, own == nullptr ? Activation::gelu : *own);
}

nlohmann::ordered_json side(const std::vector<std::int64_t>& sizes) {
  const bool alike = std::equal(sizes.begin() + 1, sizes.end(), sizes.begin());
  return alike ? nlohmann::ordered_json(sizes[0]) : nlohmann::ordered_json(sizes);
}

nlohmann::ordered_json own_facts(const PublishedNetwork& network) {
  return {{"component", network.component}, {"options", to_json(Value(network.options))}};
}

std::int64_t width_of(const PublishedModel& model) {
  const auto patch = model.encoder.weights.find("patch_embed.weight");
  if (patch != model.encoder.weights.end() && patch->second.dim() == 2) return patch->second.size(0);
  throw Error("no class of transformers has this encoder: it is no vision transformer", model.format,
              "convert it with --to cairn");
}

at::Tensor fixed_table(const Value::Table& options, const TokenGrid& grid, std::int64_t width, bool class_token) {
  nn::PositionLayout layout;
  if (option_or(options, "position_order", std::string("xy")) == "yx") layout.order = nn::PositionOrder::yx;
  layout.uniform_power = option_or(options, "uniform_power", true);
  const at::Tensor table = nn::sincos_grid(grid.extent, width, layout);
  return (class_token ? at::cat({at::zeros({1, width}), table}) : table).unsqueeze(0);
}

bool has_fixed_table(const Value::Table& options) { return option_or(options, "positions", std::string()) == "sincos"; }

}  // namespace cairn

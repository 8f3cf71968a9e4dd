#include "checkpoint/huggingface_keys.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "cairn/error.h"
#include "cairn/nn/positions.h"
#include "checkpoint/json_value.h"
#include "checkpoint/option_table.h"

namespace cairn {
namespace {

void add_attention(KeyMap& keys, const BlockFacts& facts, const BlockNames& names, const std::string& from,
                   const std::string& to) {
  const auto three = [&](const char* part) {
    return std::vector{from + names.query + part, from + names.key + part, from + names.value + part};
  };
  keys.joined(three(".weight"), to + "attention.qkv.weight");
  if (facts.biases == Biases::all) keys.joined(three(".bias"), to + "attention.qkv.bias");
  if (facts.biases != Biases::query_value) return;
  const std::string query = from + names.query, parent = query.substr(0, query.rfind('.') + 1);
  keys.same(parent + "q_bias", to + "attention.query_bias");
  keys.same(parent + "v_bias", to + "attention.value_bias");
}

/// DINOv2's SwiGLU keeps both maps in one matrix.
void add_gated(KeyMap& keys, const std::string& from, const std::string& to) {
  for (const char* kind : {".weight", ".bias"}) {
    keys.split(from + ".weights_in" + kind, {to + ".fc1" + kind, to + ".gate" + kind});
    keys.same(from + ".weights_out" + kind, to + ".fc2" + kind);
  }
}

void add_block(KeyMap& keys, const BlockFacts& facts, const BlockNames& names, const std::string& from,
               const std::string& to) {
  keys.affine(from + names.norm1, to + "norm1");
  keys.affine(from + names.norm2, to + "norm2");
  add_attention(keys, facts, names, from, to);
  keys.affine(from + names.projection, to + "attention.projection");
  if (facts.scaled) {
    keys.same(from + "layer_scale1.lambda1", to + "scale1");
    keys.same(from + "layer_scale2.lambda1", to + "scale2");
  }
  if (facts.gated) return add_gated(keys, from + "mlp", to + "mlp");
  keys.affine(from + names.fc1, to + "mlp.fc1");
  keys.affine(from + names.fc2, to + "mlp.fc2");
}

}  // namespace

BlockFacts block_facts(const TensorMap& weights) {
  BlockFacts facts;
  while (weights.contains(fmt::format("blocks.{}.norm1.weight", facts.depth))) ++facts.depth;
  if (const auto found = weights.find("blocks.0.mlp.fc1.weight"); found != weights.end())
    facts.hidden = found->second.size(0);
  facts.biases = weights.contains("blocks.0.attention.qkv.bias")     ? Biases::all
                 : weights.contains("blocks.0.attention.query_bias") ? Biases::query_value
                                                                     : Biases::none;
  facts.scaled = weights.contains("blocks.0.scale1");
  facts.gated = weights.contains("blocks.0.mlp.gate.weight");
  return facts;
}

void add_blocks(KeyMap& keys, const BlockFacts& facts, const BlockNames& names, const std::string& from) {
  for (std::int64_t i = 0; i < facts.depth; ++i)
    add_block(keys, facts, names, fmt::format("{}{}.", from, i), fmt::format("blocks.{}.", i));
}

void add_tokenizer(KeyMap& keys, const TokenizerSpec& spec, std::int64_t width, const std::string& from) {
  std::vector<std::int64_t> kernel = {width, spec.channels};
  kernel.insert(kernel.end(), spec.patch.begin(), spec.patch.end());
  keys.reshaped(from + ".weight", kernel, "patch_embed.weight", {width, spec.values()});
  keys.same(from + ".bias", "patch_embed.bias");
}

void add_network(const KeyMap& keys, const TensorMap& network, const std::string& type, const std::string& format,
                 bool partial, HuggingFaceFiles& files) {
  MappedTensors mapped = keys.to_file(network);
  if (!mapped.missing.empty())
    throw Error(fmt::format("{} needs tensors that this network has not: {}", type, mapped.missing.front()), format,
                "convert it with --to cairn");
  if (!mapped.left_over.empty() && !partial) {
    std::string names;
    for (const std::string& name : mapped.left_over) names += "\n  " + name;
    throw Error(fmt::format("the class {} of transformers has no place for:{}", type, names), format,
                "convert it with --to cairn, or leave them out with --partial");
  }
  files.tensors.merge(mapped.tensors);
  files.skipped.insert(files.skipped.end(), mapped.left_over.begin(), mapped.left_over.end());
}

std::int64_t heads_of(const PublishedNetwork& network, const std::string& format) {
  const auto heads = option_or(network.options, "heads", std::int64_t{0});
  if (heads < 1) throw Error("the number of attention heads of this network is not known", format);
  return heads;
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

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>

#include "cairn/error.h"
#include "cairn/nn/positions.h"
#include "checkpoint/huggingface.h"
#include "checkpoint/json_value.h"
#include "checkpoint/key_map.h"
#include "checkpoint/option_table.h"

namespace cairn {
namespace {

using Json = nlohmann::ordered_json;

/// What a family of models calls the parts of a block.
struct BlockNames {
  const char *norm1, *norm2, *attention, *projection, *fc1, *fc2;
};

constexpr BlockNames kVitNames = {"layernorm_before",       "layernorm_after",    "attention.attention",
                                  "attention.output.dense", "intermediate.dense", "output.dense"};
constexpr BlockNames kDinoNames = {"norm1",   "norm2",  "attention.attention", "attention.output.dense",
                                   "mlp.fc1", "mlp.fc2"};

/// The sizes and parts that decide which tensors there are.
struct Facts {
  std::string type;
  TokenizerSpec tokenizer;
  std::int64_t width = 0, depth = 0;
  bool class_token = false, mask_token = false, scaled = false, gated = false, bias = true;
};

void add_attention(KeyMap& keys, const std::string& from, const std::string& to, bool bias) {
  const auto part = [&](const char* kind) {
    return std::vector<std::string>{from + ".query." + kind, from + ".key." + kind, from + ".value." + kind};
  };
  keys.joined(part("weight"), to + ".weight");
  if (bias) keys.joined(part("bias"), to + ".bias");
}

/// DINOv2's SwiGLU keeps both maps in one matrix.
void add_gated(KeyMap& keys, const std::string& from, const std::string& to) {
  for (const char* kind : {".weight", ".bias"}) {
    keys.split(from + ".weights_in" + kind, {to + ".fc1" + kind, to + ".gate" + kind});
    keys.same(from + ".weights_out" + kind, to + ".fc2" + kind);
  }
}

KeyMap block_keys(const Facts& facts, const BlockNames& names, const std::string& from, const std::string& to) {
  KeyMap keys;
  keys.affine(from + names.norm1, to + "norm1");
  keys.affine(from + names.norm2, to + "norm2");
  add_attention(keys, from + names.attention, to + "attention.qkv", facts.bias);
  keys.affine(from + names.projection, to + "attention.projection");
  if (facts.scaled) {
    keys.same(from + "layer_scale1.lambda1", to + "scale1");
    keys.same(from + "layer_scale2.lambda1", to + "scale2");
  }
  if (facts.gated) {
    add_gated(keys, from + "mlp", to + "mlp");
    return keys;
  }
  keys.affine(from + names.fc1, to + "mlp.fc1");
  keys.affine(from + names.fc2, to + "mlp.fc2");
  return keys;
}

KeyMap vit_keys(const Facts& facts) {
  KeyMap keys;
  const TokenizerSpec& spec = facts.tokenizer;
  keys.reshaped("embeddings.patch_embeddings.projection.weight",
                {facts.width, spec.channels, spec.patch.at(0), spec.patch.at(1)}, "patch_embed.weight",
                {facts.width, spec.values()});
  keys.same("embeddings.patch_embeddings.projection.bias", "patch_embed.bias");
  keys.same("embeddings.position_embeddings", "positions");
  if (facts.class_token) keys.same("embeddings.cls_token", "class_token");
  const bool flat = facts.type == "dinov2";
  if (facts.mask_token)
    keys.reshaped("embeddings.mask_token",
                  flat ? std::vector{std::int64_t{1}, facts.width} : std::vector<std::int64_t>{1, 1, facts.width},
                  "mask_token", {1, 1, facts.width});
  for (std::int64_t i = 0; i < facts.depth; ++i)
    keys.add(block_keys(facts, flat ? kDinoNames : kVitNames, fmt::format("encoder.layer.{}.", i),
                        fmt::format("blocks.{}.", i)));
  keys.affine("layernorm", "norm");
  return keys;
}

/// Fixed positions of a grid as a learned table [1,N,D]; the class token has the position zero.
at::Tensor fixed_table(const Value::Table& options, const TokenGrid& grid, std::int64_t width, bool class_token) {
  nn::PositionLayout layout;
  if (option_or(options, "position_order", std::string("xy")) == "yx") layout.order = nn::PositionOrder::yx;
  layout.uniform_power = option_or(options, "uniform_power", true);
  const at::Tensor table = nn::sincos_grid(grid.extent, width, layout);
  return (class_token ? at::cat({at::zeros({1, width}), table}) : table).unsqueeze(0);
}

bool is_fixed(const Value::Table& options) { return option_or(options, "positions", std::string()) == "sincos"; }

Facts facts_of(const PublishedModel& model) {
  const TensorMap& weights = model.encoder.weights;
  const auto patch = weights.find("patch_embed.weight");
  if (patch == weights.end() || patch->second.dim() != 2)
    throw Error("no class of transformers has this encoder: it is no vision transformer", model.format,
                "convert it with --to cairn");
  Facts facts;
  facts.tokenizer = model.tokenizer;
  facts.width = patch->second.size(0);
  while (weights.contains(fmt::format("blocks.{}.norm1.weight", facts.depth))) ++facts.depth;
  facts.class_token = weights.contains("class_token");
  facts.mask_token = weights.contains("mask_token");
  facts.scaled = weights.contains("blocks.0.scale1");
  facts.gated = weights.contains("blocks.0.mlp.gate.weight");
  facts.bias = weights.contains("blocks.0.attention.qkv.bias");
  facts.type = !facts.class_token ? "ijepa" : facts.scaled || facts.gated ? "dinov2" : "vit";
  if (!facts.class_token && (facts.scaled || facts.gated))
    throw Error("IJepaModel has no LayerScale and no SwiGLU, and the classes that have them need a class token",
                model.format, "convert it with --to cairn");
  if (facts.type == "dinov2" && !facts.scaled)
    throw Error("Dinov2Model cannot go without LayerScale, and this network has none", model.format,
                "convert it with --to cairn");
  return facts;
}

std::int64_t heads_of(const PublishedModel& model) {
  const auto heads = option_or(model.encoder.options, "heads", std::int64_t{0});
  if (heads < 1) throw Error("the number of attention heads of this network is not known", model.format);
  return heads;
}

/// One number where both are alike, as transformers writes it.
Json side(const std::vector<std::int64_t>& sizes) { return sizes.at(0) == sizes.at(1) ? Json(sizes[0]) : Json(sizes); }

/// DINOv2 gives the MLP's width as a whole ratio, of which SwiGLU takes two thirds, rounded up to eight.
std::int64_t dino_ratio(const Facts& facts, std::int64_t hidden, const PublishedModel& model) {
  constexpr std::int64_t kLargest = 64;
  for (std::int64_t ratio = 1; ratio <= kLargest; ++ratio) {
    const std::int64_t full = facts.width * ratio;
    if (hidden == (facts.gated ? (full * 2 / 3 + 7) / 8 * 8 : full)) return ratio;
  }
  throw Error(fmt::format("Dinov2Model has no whole mlp_ratio for MLPs {} wide", hidden), model.format);
}

Json vit_config(const Facts& facts, const PublishedModel& model) {
  const std::int64_t hidden = model.encoder.weights.at("blocks.0.mlp.fc1.weight").size(0);
  std::vector<std::int64_t> image;
  for (std::size_t i = 0; i < 2; ++i) image.push_back(model.grid.extent.at(i) * facts.tokenizer.patch.at(i));
  Json config = {{"architectures",
                  {facts.type == "ijepa" ? "IJepaModel"
                   : facts.type == "vit" ? "ViTModel"
                                         : "Dinov2Model"}},
                 {"model_type", facts.type},
                 {"hidden_size", facts.width},
                 {"num_hidden_layers", facts.depth},
                 {"num_attention_heads", heads_of(model)}};
  if (facts.type == "dinov2") {
    config["mlp_ratio"] = dino_ratio(facts, hidden, model);
    config["use_swiglu_ffn"] = facts.gated;
    config["use_mask_token"] = facts.mask_token;
    config["layerscale_value"] = 1.0;
    config["drop_path_rate"] = 0.0;
  } else {
    config["intermediate_size"] = hidden;
  }
  config["hidden_act"] = "gelu";
  config["layer_norm_eps"] = option_or(model.encoder.options, "norm_epsilon", 1e-6);
  config["image_size"] = side(image);
  config["patch_size"] = side(facts.tokenizer.patch);
  config["num_channels"] = facts.tokenizer.channels;
  config["qkv_bias"] = facts.bias;
  config["hidden_dropout_prob"] = 0.0;
  config["attention_probs_dropout_prob"] = 0.0;
  config["initializer_range"] = 0.02;
  config["dtype"] = "float32";
  return config;
}

}  // namespace

void restore_own(const JsonFile& config, PublishedModel& model) {
  const auto own = config.json().find("cairn");
  if (own == config.json().end() || !own->is_object() || !own->contains("options")) return;
  const Value options = from_json((*own)["options"]);
  const auto* table = std::get_if<Value::Table>(&options.data);
  if (table == nullptr) return;
  Value::Table restored = *table;
  const auto positions = model.encoder.weights.find("positions");
  if (is_fixed(restored) && positions != model.encoder.weights.end() && positions->second.dim() == 3) {
    if (fixed_table(restored, model.grid, positions->second.size(-1), model.shows_class_token).equal(positions->second))
      model.encoder.weights.erase(positions);
    else
      set_option(restored, "positions", Value(std::string("learned")));
  }
  model.encoder.options = std::move(restored);
  model.encoder.component = own->value("component", "");
}

HuggingFaceFiles make_huggingface(const PublishedModel& model, bool partial) {
  if (model.tokenizer.axes != std::vector{Axis::height, Axis::width})
    throw Error("no class of transformers has this network: it sees views of " + model.grid.text() + " tokens",
                model.format, "convert it with --to cairn, or take its features with cairn extract");
  Facts facts = facts_of(model);
  // IJepaModel and ViTModel load without a mask token.
  if (facts.type != "dinov2") facts.mask_token = false;
  TensorMap network = model.encoder.weights;
  if (is_fixed(model.encoder.options) && !network.contains("positions"))
    network["positions"] = fixed_table(model.encoder.options, model.grid, facts.width, facts.class_token);
  MappedTensors mapped = vit_keys(facts).to_file(network);
  if (!mapped.missing.empty())
    throw Error(fmt::format("{} needs tensors that this network has not: {}", facts.type, mapped.missing.front()),
                model.format, "convert it with --to cairn");
  if (!mapped.left_over.empty() && !partial) {
    std::string names;
    for (const std::string& name : mapped.left_over) names += "\n  " + name;
    throw Error(fmt::format("the class {} of transformers has no place for:{}", facts.type, names), model.format,
                "convert it with --to cairn, or leave them out with --partial");
  }
  return {vit_config(facts, model),
          {{"component", model.encoder.component}, {"options", to_json(Value(model.encoder.options))}},
          std::move(mapped.tensors),
          std::move(mapped.left_over)};
}

}  // namespace cairn

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "cairn/error.h"
#include "checkpoint/huggingface.h"
#include "checkpoint/huggingface_keys.h"
#include "checkpoint/json_value.h"
#include "checkpoint/option_table.h"

namespace cairn {
namespace {

using Json = nlohmann::ordered_json;

/// The sizes and parts that decide which tensors there are.
struct Facts {
  std::string type;
  TokenizerSpec tokenizer;
  std::int64_t width = 0;
  BlockFacts blocks;
  bool class_token = false, mask_token = false;
};

KeyMap vit_keys(const Facts& facts) {
  KeyMap keys;
  add_tokenizer(keys, facts.tokenizer, facts.width, "embeddings.patch_embeddings.projection");
  keys.same("embeddings.position_embeddings", "positions");
  if (facts.class_token) keys.same("embeddings.cls_token", "class_token");
  const bool flat = facts.type == "dinov2";
  if (facts.mask_token)
    keys.reshaped("embeddings.mask_token",
                  flat ? std::vector{std::int64_t{1}, facts.width} : std::vector<std::int64_t>{1, 1, facts.width},
                  "mask_token", {1, 1, facts.width});
  add_blocks(keys, facts.blocks, flat ? kDinoNames : kVitNames, "encoder.layer.");
  keys.affine("layernorm", "norm");
  return keys;
}

Facts facts_of(const PublishedModel& model) {
  const TensorMap& weights = model.encoder.weights;
  Facts facts;
  facts.tokenizer = model.tokenizer;
  facts.width = width_of(model);
  facts.blocks = block_facts(weights);
  facts.class_token = weights.contains("class_token");
  facts.mask_token = weights.contains("mask_token");
  facts.type = !facts.class_token ? "ijepa" : facts.blocks.scaled || facts.blocks.gated ? "dinov2" : "vit";
  if (!facts.class_token && (facts.blocks.scaled || facts.blocks.gated))
    throw Error("IJepaModel has no LayerScale and no SwiGLU, and the classes that have them need a class token",
                model.format, "convert it with --to cairn");
  if (facts.type == "dinov2" && !facts.blocks.scaled)
    throw Error("Dinov2Model cannot go without LayerScale, and this network has none", model.format,
                "convert it with --to cairn");
  return facts;
}

/// DINOv2 gives the MLP's width as a whole ratio, of which SwiGLU takes two thirds, rounded up to eight.
std::int64_t dino_ratio(const Facts& facts, std::int64_t hidden, const PublishedModel& model) {
  constexpr std::int64_t kLargest = 64;
  for (std::int64_t ratio = 1; ratio <= kLargest; ++ratio) {
    const std::int64_t full = facts.width * ratio;
    if (hidden == (facts.blocks.gated ? (full * 2 / 3 + 7) / 8 * 8 : full)) return ratio;
  }
  throw Error(fmt::format("Dinov2Model has no whole mlp_ratio for MLPs {} wide", hidden), model.format);
}

Json vit_config(const Facts& facts, const PublishedModel& model) {
  const std::int64_t hidden = facts.blocks.hidden;
  std::vector<std::int64_t> image;
  for (std::size_t i = 0; i < 2; ++i) image.push_back(model.grid.extent.at(i) * facts.tokenizer.patch.at(i));
  Json config = {{"architectures",
                  {facts.type == "ijepa" ? "IJepaModel"
                   : facts.type == "vit" ? "ViTModel"
                                         : "Dinov2Model"}},
                 {"model_type", facts.type},
                 {"hidden_size", facts.width},
                 {"num_hidden_layers", facts.blocks.depth},
                 {"num_attention_heads", heads_of(model.encoder, model.format)}};
  if (facts.type == "dinov2") {
    config["mlp_ratio"] = dino_ratio(facts, hidden, model);
    config["use_swiglu_ffn"] = facts.blocks.gated;
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
  config["qkv_bias"] = facts.blocks.biases == Biases::all;
  config["hidden_dropout_prob"] = 0.0;
  config["attention_probs_dropout_prob"] = 0.0;
  config["initializer_range"] = 0.02;
  config["dtype"] = "float32";
  return config;
}

/// Brings back component and options; a table of positions that is still the fixed one goes.
void restore_network(const Json& own, const TokenGrid& grid, PublishedNetwork& network) {
  if (!own.is_object() || !own.contains("options")) return;
  const Value options = from_json(own["options"]);
  const auto* table = std::get_if<Value::Table>(&options.data);
  if (table == nullptr) return;
  Value::Table restored = *table;
  const auto positions = network.weights.find("positions");
  if (has_fixed_table(restored) && positions != network.weights.end() && positions->second.dim() == 3) {
    const bool class_token = option_or(restored, "class_token", false);
    if (fixed_table(restored, grid, positions->second.size(-1), class_token).equal(positions->second))
      network.weights.erase(positions);
    else
      set_option(restored, "positions", Value(std::string("learned")));
  }
  network.options = std::move(restored);
  network.component = own.value("component", "");
}

}  // namespace

void restore_own(const JsonFile& config, PublishedModel& model) {
  const auto own = config.json().find("cairn");
  if (own == config.json().end() || !own->is_object()) return;
  restore_network(*own, model.grid, model.encoder);
  if (model.predictor && own->contains("predictor")) restore_network((*own)["predictor"], model.grid, *model.predictor);
}

HuggingFaceFiles make_huggingface(const PublishedModel& model, bool partial) {
  if (model.tokenizer.axes == std::vector{Axis::time, Axis::height, Axis::width})
    return option_or(model.encoder.options, "positions", std::string()) == "sinusoid" ? make_videomae(model, partial)
                                                                                      : make_vjepa2(model, partial);
  if (model.tokenizer.axes != std::vector{Axis::height, Axis::width})
    throw Error("no class of transformers has this network: it sees views of " + model.grid.text() + " tokens",
                model.format, "convert it with --to cairn, or take its features with cairn extract");
  if (has_mae_decoder(model)) return make_vit_mae(model, partial);
  Facts facts = facts_of(model);
  // IJepaModel and ViTModel load without a mask token.
  if (facts.type != "dinov2") facts.mask_token = false;
  TensorMap network = model.encoder.weights;
  if (has_fixed_table(model.encoder.options) && !network.contains("positions"))
    network["positions"] = fixed_table(model.encoder.options, model.grid, facts.width, facts.class_token);
  HuggingFaceFiles files{vit_config(facts, model), own_facts(model.encoder), {}, {}};
  add_network(vit_keys(facts), network, facts.type, model.format, partial, files);
  return files;
}

}  // namespace cairn

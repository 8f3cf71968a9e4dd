#include <ATen/ATen.h>
#include <fmt/format.h>

#include "cairn/error.h"
#include "checkpoint/huggingface.h"
#include "checkpoint/huggingface_parts.h"
#include "checkpoint/json_value.h"
#include "checkpoint/option_table.h"

namespace cairn {
namespace {

using Json = nlohmann::ordered_json;

/// The class that holds a network of pictures, and what decides its tensors.
struct Facts {
  std::string type;
  VitFacts vit;
};

Facts facts_of(const PublishedModel& model) {
  const TensorMap& weights = model.encoder.weights;
  Facts facts;
  VitFacts& vit = facts.vit;
  vit.tokenizer = model.tokenizer;
  vit.width = width_of(model);
  vit.blocks = block_facts(weights);
  vit.class_token = weights.contains("class_token");
  vit.registers = weights.contains("registers");
  vit.is_dino = vit.class_token && (vit.blocks.scaled || vit.blocks.gated);
  // IJepaModel and ViTModel load without a mask token, Dinov2WithRegistersModel never does.
  vit.mask_token = vit.is_dino && (vit.registers || weights.contains("mask_token"));
  facts.type = !vit.class_token ? "ijepa" : !vit.is_dino ? "vit" : vit.registers ? "dinov2_with_registers" : "dinov2";
  if (!vit.class_token && (vit.blocks.scaled || vit.blocks.gated))
    throw Error("IJepaModel has no LayerScale and no SwiGLU, and the classes that have them need a class token",
                model.format, "convert it with --to cairn");
  if (vit.is_dino && !vit.blocks.scaled)
    throw Error("Dinov2Model cannot go without LayerScale, and this network has none", model.format,
                "convert it with --to cairn");
  return facts;
}

/// Name of the class of a model type.
const char* class_of(const std::string& type) {
  return type == "ijepa"    ? "IJepaModel"
         : type == "vit"    ? "ViTModel"
         : type == "dinov2" ? "Dinov2Model"
                            : "Dinov2WithRegistersModel";
}

/// DINOv2 gives the MLP's width as a whole ratio, of which SwiGLU takes two thirds, rounded up to eight.
std::int64_t dino_ratio(const Facts& facts, std::int64_t hidden, const PublishedModel& model) {
  constexpr std::int64_t kLargest = 64;
  for (std::int64_t ratio = 1; ratio <= kLargest; ++ratio) {
    const std::int64_t full = facts.vit.width * ratio;
    if (hidden == (facts.vit.blocks.gated ? (full * 2 / 3 + 7) / 8 * 8 : full)) return ratio;
  }
  throw Error(fmt::format("Dinov2Model has no whole mlp_ratio for MLPs {} wide", hidden), model.format);
}

Json vit_config(const Facts& facts, const PublishedModel& model) {
  const VitFacts& vit = facts.vit;
  const std::int64_t hidden = vit.blocks.hidden;
  std::vector<std::int64_t> image;
  for (std::size_t i = 0; i < 2; ++i) image.push_back(model.grid.extent.at(i) * vit.tokenizer.patch.at(i));
  Json config = {{"architectures", {class_of(facts.type)}},
                 {"model_type", facts.type},
                 {"hidden_size", vit.width},
                 {"num_hidden_layers", vit.blocks.depth},
                 {"num_attention_heads", heads_of(model.encoder, model.format)}};
  if (vit.is_dino) {
    config["mlp_ratio"] = dino_ratio(facts, hidden, model);
    config["use_swiglu_ffn"] = vit.blocks.gated;
    if (!vit.registers) config["use_mask_token"] = vit.mask_token;
    config["layerscale_value"] = 1.0;
    config["drop_path_rate"] = 0.0;
    if (vit.registers) config["num_register_tokens"] = model.encoder.weights.at("registers").size(1);
  } else {
    config["intermediate_size"] = hidden;
  }
  config["hidden_act"] = activation_of(model.encoder);
  config["layer_norm_eps"] = option_or(model.encoder.options, "norm_epsilon", 1e-6);
  config["image_size"] = side(image);
  config["patch_size"] = side(vit.tokenizer.patch);
  config["num_channels"] = vit.tokenizer.channels;
  config["qkv_bias"] = vit.blocks.biases == Biases::all;
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
  // One that the network has no use for was written because the class needs it.
  if (!option_or(restored, "mask_token", true)) network.weights.erase("mask_token");
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
  const Facts facts = facts_of(model);
  TensorMap network = model.encoder.weights;
  if (has_fixed_table(model.encoder.options) && !network.contains("positions"))
    network["positions"] = fixed_table(model.encoder.options, model.grid, facts.vit.width, facts.vit.class_token);
  if (facts.vit.mask_token && !network.contains("mask_token"))
    network["mask_token"] = at::zeros({1, 1, facts.vit.width});
  HuggingFaceFiles files{vit_config(facts, model), own_facts(model.encoder), {}, {}};
  add_network(vit_keys(facts.vit), network, class_of(facts.type), model.format, partial, files);
  return files;
}

}  // namespace cairn

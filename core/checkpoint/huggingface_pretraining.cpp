#include <fmt/format.h>

#include "cairn/error.h"
#include "checkpoint/huggingface.h"
#include "checkpoint/huggingface_parts.h"
#include "checkpoint/option_table.h"

namespace cairn {
namespace {

using Json = nlohmann::ordered_json;

void require(bool holds, const std::string& complaint, const PublishedModel& model) {
  if (!holds) throw Error(complaint, model.format, "convert it with --to cairn");
}

std::string text_option(const PublishedNetwork& network, const char* name) {
  return option_or(network.options, name, std::string());
}

double ratio(const BlockFacts& facts, std::int64_t width) {
  return static_cast<double>(facts.hidden) / static_cast<double>(width);
}

std::int64_t embedded_width(const PublishedNetwork& predictor) { return predictor.weights.at("embed.weight").size(0); }

double epsilon_of(const PublishedNetwork& network) { return option_or(network.options, "norm_epsilon", 1e-6); }

/// Extent of the views in samples, along every axis.
std::vector<std::int64_t> extent_of(const PublishedModel& model) {
  std::vector<std::int64_t> extent;
  for (std::size_t i = 0; i < model.grid.extent.size(); ++i)
    extent.push_back(model.grid.extent[i] * model.tokenizer.patch.at(i));
  return extent;
}

/// What every class is told of an encoder.
Json encoder_config(const char* architecture, const char* type, const PublishedModel& model, std::int64_t width,
                    const BlockFacts& facts) {
  return {{"architectures", {architecture}},
          {"model_type", type},
          {"hidden_size", width},
          {"num_hidden_layers", facts.depth},
          {"num_attention_heads", heads_of(model.encoder, model.format)},
          {"hidden_act", activation_of(model.encoder)},
          {"layer_norm_eps", epsilon_of(model.encoder)},
          {"attention_probs_dropout_prob", 0.0},
          {"initializer_range", 0.02},
          {"dtype", "float32"}};
}

/// What MAE and VideoMAE are told of their decoders.
void add_decoder_config(const PublishedModel& model, const BlockFacts& facts, Json& config) {
  const PublishedNetwork& decoder = *model.predictor;
  config["hidden_dropout_prob"] = 0.0;
  config["num_channels"] = model.tokenizer.channels;
  config["decoder_hidden_size"] = embedded_width(decoder);
  config["decoder_num_hidden_layers"] = facts.depth;
  config["decoder_num_attention_heads"] = heads_of(decoder, model.format);
  config["decoder_intermediate_size"] = facts.hidden;
  config["norm_pix_loss"] = model.reconstruction && model.reconstruction->norm != PatchNorm::none;
}

bool is_tiled_rotary(const PublishedNetwork& network) {
  return text_option(network, "positions") == "rotary" && text_option(network, "rotary_layout") == "tiled" &&
         option_or(network.options, "rotary_grid", std::int64_t{0}) == 0;
}

/// Encoder and decoder share the norm's epsilon, the activation and the kind of biases in these classes.
void require_alike(const PublishedModel& model, const BlockFacts& encoder, const BlockFacts& predictor,
                   const char* type) {
  require(encoder.biases == predictor.biases && epsilon_of(model.encoder) == epsilon_of(*model.predictor) &&
              activation_of(model.encoder) == activation_of(*model.predictor),
          fmt::format("{} has one norm_epsilon, one activation and one kind of attention biases for encoder and "
                      "predictor, and these differ",
                      type),
          model);
}

void add_predictor(const KeyMap& keys, const TensorMap& weights, const PublishedModel& model, const char* type,
                   bool partial, HuggingFaceFiles& files) {
  add_network(keys, weights, type, model.format, partial, files);
  files.own["predictor"] = own_facts(*model.predictor);
  files.has_predictor = true;
}

}  // namespace

HuggingFaceFiles make_vjepa2(const PublishedModel& model, bool partial) {
  constexpr const char* kType = "VJEPA2Model";
  const std::int64_t width = width_of(model);
  const BlockFacts facts = block_facts(model.encoder.weights);
  const auto size = extent_of(model);
  require(is_tiled_rotary(model.encoder),
          "of encoders of clips, transformers has those with positions = \"rotary\" and rotary_layout = \"tiled\" "
          "(VJEPA2Model), and those with positions = \"sinusoid\" (VideoMAE)",
          model);
  require(size[1] == size[2] && model.tokenizer.patch[1] == model.tokenizer.patch[2],
          "VJEPA2Model has square frames and patches only", model);
  Json config = encoder_config(kType, "vjepa2", model, width, facts);
  config.erase("attention_probs_dropout_prob");
  config["mlp_ratio"] = ratio(facts, width);
  config["qkv_bias"] = facts.biases == Biases::all;
  config["in_chans"] = model.tokenizer.channels;
  config["crop_size"] = size[1];
  config["frames_per_clip"] = size[0];
  config["patch_size"] = model.tokenizer.patch[1];
  config["tubelet_size"] = model.tokenizer.patch[0];
  HuggingFaceFiles files{std::move(config), own_facts(model.encoder), {}, {}};
  add_network(vjepa2_keys("", model.tokenizer, width, facts), model.encoder.weights, kType, model.format, partial,
              files);

  if (!model.predictor && partial) return files;
  require(model.predictor && is_tiled_rotary(*model.predictor),
          "VJEPA2Model has a predictor with positions = \"rotary\" and rotary_layout = \"tiled\", and this network has "
          "none",
          model);
  const PublishedNetwork& predictor = *model.predictor;
  const BlockFacts blocks = block_facts(predictor.weights);
  require_alike(model, facts, blocks, kType);
  const std::int64_t narrow = embedded_width(predictor), groups = predictor.weights.at("mask_tokens").size(0);
  files.config["pred_hidden_size"] = narrow;
  files.config["pred_num_hidden_layers"] = blocks.depth;
  files.config["pred_num_attention_heads"] = heads_of(predictor, model.format);
  files.config["pred_mlp_ratio"] = ratio(blocks, narrow);
  files.config["pred_num_mask_tokens"] = groups;
  add_predictor(vjepa2_predictor_keys("", narrow, groups, blocks), predictor.weights, model, kType, partial, files);
  return files;
}

HuggingFaceFiles make_videomae(const PublishedModel& model, bool partial) {
  constexpr const char* kType = "VideoMAEForPreTraining";
  const std::int64_t width = width_of(model);
  const BlockFacts facts = block_facts(model.encoder.weights);
  require(model.predictor && text_option(*model.predictor, "positions") == "sinusoid",
          "VideoMAEForPreTraining has a decoder with positions = \"sinusoid\", and this network has none", model);
  require(facts.biases != Biases::all, "VideoMAE's attention has biases for queries and values only (key_bias = false)",
          model);
  const PublishedNetwork& decoder = *model.predictor;
  const BlockFacts blocks = block_facts(decoder.weights);
  require_alike(model, facts, blocks, kType);
  require(option_or(decoder.options, "last_norm_epsilon", 0.0) == 1e-5,
          "the last norm of VideoMAE's decoder has an epsilon of 1e-5 (last_norm_epsilon)", model);
  const auto size = extent_of(model);
  const bool has_norm = model.encoder.weights.contains("norm.weight");
  Json config = encoder_config(kType, "videomae", model, width, facts);
  config["intermediate_size"] = facts.hidden;
  config["image_size"] = side({size[1], size[2]});
  config["patch_size"] = side({model.tokenizer.patch[1], model.tokenizer.patch[2]});
  config["num_frames"] = size[0];
  config["tubelet_size"] = model.tokenizer.patch[0];
  config["qkv_bias"] = facts.biases != Biases::none;
  config["use_mean_pooling"] = !has_norm;
  add_decoder_config(model, blocks, config);
  HuggingFaceFiles files{std::move(config), own_facts(model.encoder), {}, {}};
  add_network(videomae_keys("videomae.", model.tokenizer, width, facts, has_norm), model.encoder.weights, kType,
              model.format, partial, files);
  add_predictor(videomae_decoder_keys(blocks), decoder.weights, model, kType, partial, files);
  return files;
}

bool has_mae_decoder(const PublishedModel& model) {
  return model.predictor && option_or(model.predictor->options, "whole_grid", false) &&
         option_or(model.predictor->options, "class_token", false);
}

HuggingFaceFiles make_vit_mae(const PublishedModel& model, bool partial) {
  constexpr const char* kType = "ViTMAEForPreTraining";
  const std::int64_t width = width_of(model);
  const BlockFacts facts = block_facts(model.encoder.weights);
  const PublishedNetwork& decoder = *model.predictor;
  const BlockFacts blocks = block_facts(decoder.weights);
  require_alike(model, facts, blocks, kType);
  const auto with_table = [&](const PublishedNetwork& network, std::int64_t wide) {
    TensorMap weights = network.weights;
    if (has_fixed_table(network.options) && !weights.contains("positions"))
      weights["positions"] = fixed_table(network.options, model.grid, wide, /*class_token=*/true);
    return weights;
  };
  Json config = encoder_config(kType, "vit_mae", model, width, facts);
  config["intermediate_size"] = facts.hidden;
  config["image_size"] = side(extent_of(model));
  config["patch_size"] = side(model.tokenizer.patch);
  config["qkv_bias"] = facts.biases == Biases::all;
  config["mask_ratio"] = model.reconstruction ? model.reconstruction->mask_ratio : 0.75;
  add_decoder_config(model, blocks, config);
  HuggingFaceFiles files{std::move(config), own_facts(model.encoder), {}, {}};
  const VitFacts vit{"vit.", model.tokenizer, width, facts, /*is_dino=*/false, /*class_token=*/true};
  add_network(vit_keys(vit), with_table(model.encoder, width), kType, model.format, partial, files);
  add_predictor(mae_decoder_keys(blocks), with_table(decoder, embedded_width(decoder)), model, kType, partial, files);
  return files;
}

}  // namespace cairn

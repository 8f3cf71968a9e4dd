#include "checkpoint/huggingface.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cairn/error.h"
#include "checkpoint/huggingface_parts.h"
#include "checkpoint/huggingface_tables.h"
#include "checkpoint/json_file.h"
#include "checkpoint/option_table.h"
#include "checkpoint/original.h"
#include "checkpoint/preprocessor.h"
#include "checkpoint/published.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/weight_source.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr std::array kWeightFiles = {"model.safetensors", "pytorch_model.bin"};

std::string index_of(const char* file) { return std::string(file) + ".index.json"; }

SafetensorsFile read_file(const fs::path& path) {
  if (path.extension() != ".bin") return read_safetensors(path);
  return {read_pickled_tensors(path), {}, [] {}};
}

/// The tensors of all shards that an index names, and what gives their pages back.
SafetensorsFile read_shards(const fs::path& index) {
  const fs::path folder = index.parent_path();
  std::set<std::string> shards;
  for (const auto& [name, shard] : JsonFile(index).value("weight_map", std::map<std::string, std::string>())) {
    if (fs::path(shard).filename() != shard)
      throw DataError("the index names the shard '" + shard + "', which is no plain file name", folder.string());
    shards.insert(shard);
  }
  SafetensorsFile all;
  std::vector<std::function<void()>> release;
  for (const std::string& shard : shards) {
    SafetensorsFile file = read_file(folder / shard);
    release.push_back(std::move(file.release_pages));
    for (auto& [name, tensor] : file.tensors)
      if (!all.tensors.emplace(name, tensor).second)
        throw DataError("several shards have the tensor '" + name + "'", folder.string());
  }
  all.release_pages = [release] {
    for (const auto& pages : release) pages();
  };
  return all;
}

/// One file or shards, safetensors before pickles.
SafetensorsFile read_folder(const fs::path& folder) {
  for (const char* name : kWeightFiles) {
    if (fs::exists(folder / name)) return read_file(folder / name);
    if (fs::exists(folder / index_of(name))) return read_shards(folder / index_of(name));
  }
  return read_safetensors(folder / kWeightFiles.front());
}

/// What config.json and the names say of the blocks "encoder.layer.0.": depth, biases, LayerScale, SwiGLU.
BlockFacts read_blocks(const WeightSource& weights, const std::string& from, std::int64_t depth, Biases biases) {
  constexpr std::int64_t kDeepest = 4096;
  if (depth > kDeepest) throw DataError(fmt::format("there are to be {} layers '{}'", depth, from));
  BlockFacts facts;
  facts.depth = depth;
  facts.biases = biases;
  const std::string first = from + "0.";
  facts.scaled = weights.has(first + "layer_scale1.lambda1");
  facts.gated = weights.has(first + "mlp.weights_in.weight");
  facts.biases_beside = weights.has(first + "attention.attention.q_bias");
  return facts;
}

std::int64_t first_size(const TensorMap& network, const std::string& name, std::int64_t fallback) {
  const auto found = network.find(name);
  return found == network.end() || found->second.dim() == 0 ? fallback : found->second.size(0);
}

/// Width, depth, heads, MLP, biases and epsilon of a network, as the options of any transformer are called.
Value::Table shape_options(const TensorMap& network, std::int64_t width, std::int64_t heads, const BlockFacts& blocks,
                           double epsilon) {
  const std::int64_t hidden = first_size(network, "blocks.0.mlp.fc1.weight", 4 * width);
  return {{"width", Value(width)},
          {"depth", Value(blocks.depth)},
          {"heads", Value(heads)},
          {"mlp_ratio", Value(exact_ratio(hidden, width))},
          {"qkv_bias", Value(blocks.biases != Biases::none)},
          {"key_bias", Value(blocks.biases != Biases::query_value)},
          {"norm_epsilon", Value(epsilon)}};
}

void add(Value::Table& table, std::initializer_list<std::pair<std::string, Value>> more) {
  table.insert(table.end(), more);
}

Value text(const char* value) { return Value(std::string(value)); }

/// A classifier or pooler behind the encoder, where the weights have one.
void read_head(const JsonFile& config, WeightSource& weights, const std::string& prefix, HeadInput input,
               PublishedModel& model) {
  PublishedHead head;
  KeyMap keys;
  if (weights.has(prefix + "pooler.dense.weight")) {
    head.is_pooler = true;
    head.activation = read_activation(config, "pooler_act", nn::Activation::tanh);
    keys.affine(prefix + "pooler.dense", "linear");
  } else if (weights.has("classifier.weight")) {
    head.input = input;
    keys.affine("classifier", "linear");
    if (weights.has("fc_norm.weight")) keys.affine("fc_norm", "norm");
  } else {
    return;
  }
  weights.move(keys, head.weights);
  model.head = std::move(head);
}

/// The grid of views of this extent; what is left over behind the last whole patch does not count, as in transformers.
TokenGrid whole_patches(const TokenizerSpec& tokenizer, std::vector<std::int64_t> extent) {
  for (std::size_t i = 0; i < extent.size(); ++i)
    if (extent[i] > tokenizer.patch[i]) extent[i] -= extent[i] % tokenizer.patch[i];
  return tokenizer.grid(extent);
}

void read_tokenizer(const JsonFile& config, const char* channels, PublishedModel& model) {
  model.tokenizer = {
      config.value<std::int64_t>(channels, 3), config.sizes("patch_size", 2), {Axis::height, Axis::width}};
  model.grid = whole_patches(model.tokenizer, config.sizes("image_size", 2));
}

void read_video_tokenizer(const JsonFile& config, const char* channels, const char* frames, const char* side,
                          PublishedModel& model) {
  const auto patch = config.sizes("patch_size", 2), size = config.sizes(side, 2);
  model.tokenizer = {config.value<std::int64_t>(channels, 3),
                     {config.size("tubelet_size"), patch[0], patch[1]},
                     {Axis::time, Axis::height, Axis::width}};
  model.grid = whole_patches(model.tokenizer, {config.size(frames), size[0], size[1]});
}

/// The decoder of MAE: class token and all places in their order, learned positions.
PublishedNetwork read_mae_decoder(const JsonFile& config, WeightSource& weights, Biases biases, double epsilon) {
  PublishedNetwork decoder;
  const bool is_new = weights.has("decoder.decoder_layers.0.layernorm_before.weight");
  const char* from = is_new ? "decoder.decoder_layers." : "decoder.decoder_encoder.layer.";
  const BlockFacts blocks = read_blocks(weights, from, config.size("decoder_num_hidden_layers"), biases);
  weights.move(mae_decoder_keys(blocks, from), decoder.weights);
  const std::int64_t width = config.size("decoder_hidden_size");
  decoder.options =
      shape_options(decoder.weights, width, config.divisor("decoder_num_attention_heads", width), blocks, epsilon);
  add(decoder.options, {{"positions", text("learned")},
                        {"resize_flat", Value(true)},
                        {"class_token", Value(true)},
                        {"whole_grid", Value(true)}});
  decoder.output_width = first_size(decoder.weights, "project.weight", 0);
  return decoder;
}

/// ViT and its kin: learned positions; class token, registers, LayerScale and SwiGLU where the weights have them; the
/// decoder of MAE.
PublishedModel read_vit(const JsonFile& config, WeightSource& weights, bool is_dino, HeadInput head,
                        bool has_registers) {
  const Biases biases = config.value("qkv_bias", true) ? Biases::all : Biases::none;
  const double epsilon = config.value("layer_norm_eps", 1e-12);
  PublishedModel model;
  read_tokenizer(config, "num_channels", model);
  VitFacts facts;
  facts.prefix = weights.prefix_before("embeddings.position_embeddings");
  // Where transformers 5 saves ViTMSNForImageClassification, the blocks' names lack what the others begin with.
  if (!facts.prefix.empty()) weights.rename("encoder.", facts.prefix + "encoder.");
  facts.tokenizer = model.tokenizer;
  facts.width = config.size("hidden_size");
  facts.blocks = read_blocks(weights, facts.prefix + "encoder.layer.", config.size("num_hidden_layers"), biases);
  facts.is_dino = is_dino;
  facts.class_token = weights.has(facts.prefix + "embeddings.cls_token");
  facts.registers = has_registers;
  facts.mask_token = weights.has(facts.prefix + "embeddings.mask_token");
  TensorMap& network = model.encoder.weights;
  weights.move(vit_keys(facts), network);
  model.shows_class_token = facts.class_token;
  read_head(config, weights, facts.prefix, head, model);
  if (weights.has("decoder.decoder_embed.weight")) model.predictor = read_mae_decoder(config, weights, biases, epsilon);
  const auto token = network.find("registers");
  const std::int64_t registers = token == network.end() || token->second.dim() < 2 ? 0 : token->second.size(1);
  if (token != network.end() && registers == 0) network.erase(token);
  model.encoder.options =
      shape_options(network, facts.width, config.divisor("num_attention_heads", facts.width), facts.blocks, epsilon);
  add(model.encoder.options, {{"preset", text("")},
                              {"positions", text("learned")},
                              {"resize_antialias", Value(has_registers)},
                              {"class_token", Value(facts.class_token)},
                              {"register_tokens", Value(registers)},
                              {"pool", text(facts.class_token ? "cls" : "mean")},
                              {"mask_token", Value(facts.mask_token)},
                              {"gated", Value(facts.blocks.gated)},
                              {"layer_scale", Value(facts.blocks.scaled ? 1.0 : 0.0)}});
  return model;
}

/// VideoMAE: positions by running number, and a decoder over seen and asked tokens.
PublishedModel read_videomae(const JsonFile& config, WeightSource& weights) {
  // The option's name in transformers 5, and the one before.
  const bool has_biases = config.value("qv_bias", config.value("qkv_bias", true));
  const Biases biases = has_biases ? Biases::query_value : Biases::none;
  const double epsilon = config.value("layer_norm_eps", 1e-12);
  PublishedModel model;
  read_video_tokenizer(config, "num_channels", "num_frames", "image_size", model);
  const std::string prefix = weights.prefix_before("embeddings.patch_embeddings.projection.weight");
  const std::int64_t width = config.size("hidden_size");
  const BlockFacts blocks = read_blocks(weights, prefix + "encoder.layer.", config.size("num_hidden_layers"), biases);
  const bool has_norm = !config.value("use_mean_pooling", true);
  TensorMap& network = model.encoder.weights;
  weights.move(videomae_keys(prefix, model.tokenizer, width, blocks, has_norm), network);
  model.encoder.options = shape_options(network, width, config.divisor("num_attention_heads", width), blocks, epsilon);
  add(model.encoder.options, {{"preset", text("")}, {"positions", text("sinusoid")}, {"last_norm", Value(has_norm)}});
  model.reconstruction =
      Reconstruction{config.value("norm_pix_loss", true) ? PatchNorm::patch_channel : PatchNorm::none, 0.0,
                     model.tokenizer.channels == 3};
  read_head(config, weights, prefix, has_norm ? HeadInput::first : HeadInput::mean, model);
  if (!weights.has("encoder_to_decoder.weight")) return model;

  PublishedNetwork decoder;
  const BlockFacts more =
      read_blocks(weights, "decoder.decoder_layers.", config.size("decoder_num_hidden_layers"), biases);
  weights.move(videomae_decoder_keys(more), decoder.weights);
  const std::int64_t narrow = config.size("decoder_hidden_size");
  decoder.options =
      shape_options(decoder.weights, narrow, config.divisor("decoder_num_attention_heads", narrow), more, epsilon);
  add(decoder.options, {{"positions", text("sinusoid")},
                        {"embed_bias", Value(false)},
                        {"last_norm_epsilon", Value(1e-5)}});  // what transformers makes of a norm without a number
  decoder.output_width = first_size(decoder.weights, "project.weight", 0);
  model.predictor = std::move(decoder);
  return model;
}

/// The attentive pooler and classifier of V-JEPA 2.
PublishedHead read_attentive_head(const JsonFile& config, WeightSource& weights, double epsilon) {
  PublishedHead head;
  head.input = HeadInput::attentive;
  head.pooler.width = config.size("hidden_size");
  head.pooler.heads = config.size("num_attention_heads");
  head.pooler.blocks = config.value<std::int64_t>("num_pooler_layers", 3);
  head.pooler.hidden = 4 * head.pooler.width;
  head.pooler.epsilon = epsilon;
  weights.move(vjepa2_head_keys(head.pooler.blocks), head.weights);
  return head;
}

/// V-JEPA 2: rotary positions in the layout it was trained with, numbered on the grid of the configuration.
PublishedModel read_vjepa2(const JsonFile& config, WeightSource& weights) {
  const Biases biases = config.value("qkv_bias", true) ? Biases::all : Biases::none;
  const double epsilon = config.value("layer_norm_eps", 1e-6);
  PublishedModel model;
  read_video_tokenizer(config, "in_chans", "frames_per_clip", "crop_size", model);
  const std::string prefix = weights.prefix_before("encoder.embeddings.patch_embeddings.proj.weight");
  const auto rotary = [](Value::Table& options) {
    add(options,
        {{"positions", text("rotary")}, {"rotary_layout", text("tiled")}, {"rotary_numbering", text("first")}});
  };
  const std::int64_t width = config.size("hidden_size");
  const BlockFacts blocks = read_blocks(weights, prefix + "encoder.layer.", config.size("num_hidden_layers"), biases);
  TensorMap& network = model.encoder.weights;
  weights.move(vjepa2_keys(prefix, model.tokenizer, width, blocks), network);
  model.encoder.options = shape_options(network, width, config.divisor("num_attention_heads", width), blocks, epsilon);
  add(model.encoder.options, {{"preset", text("")}});
  rotary(model.encoder.options);
  if (weights.has("pooler.query_tokens")) model.head = read_attentive_head(config, weights, epsilon);
  const std::string from = prefix + "predictor.";
  if (!weights.has(from + "proj.weight")) return model;

  PublishedNetwork predictor;
  const std::int64_t narrow = config.size("pred_hidden_size");
  const std::int64_t groups = weights.rows(from + "embeddings.mask_tokens", 1);
  const BlockFacts more = read_blocks(weights, from + "layer.", config.size("pred_num_hidden_layers"), biases);
  weights.move(vjepa2_predictor_keys(prefix, narrow, groups, more), predictor.weights);
  predictor.options =
      shape_options(predictor.weights, narrow, config.divisor("pred_num_attention_heads", narrow), more, epsilon);
  add(predictor.options, {{"groups", Value(groups)}});
  rotary(predictor.options);
  model.predictor = std::move(predictor);
  return model;
}

PublishedModel read_model(const std::string& type, const JsonFile& config, WeightSource& weights) {
  if (type == "ijepa") return read_vit(config, weights, false, HeadInput::mean, false);
  if (type == "vit" || type == "vit_msn") return read_vit(config, weights, false, HeadInput::first, false);
  if (type == "dinov2") return read_vit(config, weights, true, HeadInput::first_and_mean, false);
  if (type == "dinov2_with_registers") return read_vit(config, weights, true, HeadInput::first_and_mean, true);
  if (type == "videomae") return read_videomae(config, weights);
  if (type == "vjepa2") return read_vjepa2(config, weights);
  if (type == "vit_mae") {
    PublishedModel model = read_vit(config, weights, false, HeadInput::first, false);
    const bool is_normed = config.value("norm_pix_loss", false);
    model.reconstruction =
        Reconstruction{is_normed ? PatchNorm::patch : PatchNorm::none, config.value("mask_ratio", 0.75), false};
    return model;
  }
  throw DataError("the model type '" + type + "' is not read", config.path().string(),
                  "read are: ijepa, vit, vit_msn, dinov2, dinov2_with_registers, vit_mae, videomae, vjepa2");
}

/// The activation in the MLPs of all networks of a model; SwiGLU has its own.
void read_hidden_activation(const JsonFile& config, PublishedModel& model) {
  if (option_or(model.encoder.options, "gated", false)) return;
  const nn::Activation activation = read_activation(config, "hidden_act", nn::Activation::gelu);
  if (activation == nn::Activation::gelu) return;
  set_activation(activation, model.encoder.options);
  if (model.predictor) set_activation(activation, model.predictor->options);
  if (model.head) model.head->pooler.activation = activation;
}

/// What cannot be honoured is a fault only of what prepares samples.
void read_data(const fs::path& folder, PublishedModel& model) {
  try {
    model.data = read_preprocessor(folder);
  } catch (const DataError& error) {
    model.data_fault = error.what();
  }
}

}  // namespace

bool holds_bin(const fs::path& folder) {
  const char* name = kWeightFiles.back();
  return fs::exists(folder / name) || fs::exists(folder / index_of(name));
}

PublishedModel read_huggingface(const fs::path& folder, bool is_partial) {
  const JsonFile config(folder / "config.json");
  if (!config.json().contains("model_type"))
    throw DataError("'model_type' is missing", config.path().string(),
                    "get the file again; of timm's folders name the .safetensors itself");
  SafetensorsFile file = read_folder(folder);
  WeightSource weights(std::move(file.tensors));
  const auto type = config.value<std::string>("model_type", "");
  PublishedModel model = read_model(type, config, weights);
  read_hidden_activation(config, model);
  // What was stacked is copied: without this its pages would count twice in the peak of memory.
  file.release_pages();
  restore_own(config, model);
  read_data(folder, model);
  model.format = type + " of transformers";
  settle_complaints(model, weights.complaints(), is_partial, folder.string());
  return model;
}

}  // namespace cairn

#include "checkpoint/huggingface.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <set>
#include <vector>

#include "cairn/error.h"
#include "checkpoint/huggingface_names.h"
#include "checkpoint/json_file.h"
#include "checkpoint/preprocessor.h"
#include "checkpoint/published.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/weight_source.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

/// The tensors of one file, or of shards with an index, and what gives their pages back.
SafetensorsFile read_folder(const fs::path& folder) {
  const fs::path single = folder / "model.safetensors", index = folder / "model.safetensors.index.json";
  if (fs::exists(single) || !fs::exists(index)) return read_safetensors(single);
  std::set<std::string> shards;
  for (const auto& [name, shard] : JsonFile(index).value("weight_map", std::map<std::string, std::string>())) {
    if (fs::path(shard).filename() != shard)
      throw DataError("the index names the shard '" + shard + "', which is no plain file name", folder.string());
    shards.insert(shard);
  }
  SafetensorsFile all;
  std::vector<std::function<void()>> release;
  for (const std::string& shard : shards) {
    SafetensorsFile file = read_safetensors(folder / shard);
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

/// The blocks of one transformer.
struct BlockSetting {
  std::string from;  // "encoder.layer."
  std::string to = "blocks.";
  std::int64_t depth = 0;
  BlockNames names = kVitNames;
  Biases biases = Biases::all;
};

/// DINOv2's SwiGLU keeps both maps in one matrix.
void move_gated(WeightSource& weights, const std::string& from, TensorMap& network, const std::string& to) {
  for (const char* part : {"weight", "bias"}) {
    weights.move(fmt::format("{}.weights_out.{}", from, part), network, fmt::format("{}.fc2.{}", to, part));
    const auto both = weights.take(fmt::format("{}.weights_in.{}", from, part));
    if (!both) continue;
    const auto halves = both->chunk(2);
    network[fmt::format("{}.fc1.{}", to, part)] = halves.front();
    network[fmt::format("{}.gate.{}", to, part)] = halves.back();
  }
}

/// VideoMAE's biases lie beside the maps, not in them.
void move_query_value_biases(WeightSource& weights, const std::string& from, const BlockNames& names,
                             TensorMap& network, const std::string& to) {
  const std::string query = from + names.query, parent = query.substr(0, query.rfind('.') + 1);
  const bool is_beside = weights.has(parent + "q_bias");
  weights.move(is_beside ? parent + "q_bias" : query + ".bias", network, to + "attention.query_bias");
  weights.move(is_beside ? parent + "v_bias" : from + names.value + ".bias", network, to + "attention.value_bias");
}

void move_block(WeightSource& weights, const BlockSetting& setting, std::int64_t number, TensorMap& network) {
  const BlockNames& names = setting.names;
  const std::string from = fmt::format("{}{}.", setting.from, number), to = fmt::format("{}{}.", setting.to, number);
  weights.move_affine(from + names.norm1, network, to + "norm1");
  weights.move_affine(from + names.norm2, network, to + "norm2");
  const auto three = [&](const char* part) {
    return std::vector{from + names.query + part, from + names.key + part, from + names.value + part};
  };
  weights.move_stacked(three(".weight"), network, to + "attention.qkv.weight");
  if (setting.biases == Biases::all) weights.move_stacked(three(".bias"), network, to + "attention.qkv.bias");
  if (setting.biases == Biases::query_value) move_query_value_biases(weights, from, names, network, to);
  weights.move_affine(from + names.projection, network, to + "attention.projection");
  if (weights.has(from + "layer_scale1.lambda1")) {
    weights.move(from + "layer_scale1.lambda1", network, to + "scale1");
    weights.move(from + "layer_scale2.lambda1", network, to + "scale2");
  }
  if (weights.has(from + "mlp.weights_in.weight")) return move_gated(weights, from + "mlp", network, to + "mlp");
  weights.move_affine(from + names.fc1, network, to + "mlp.fc1");
  weights.move_affine(from + names.fc2, network, to + "mlp.fc2");
}

void move_blocks(WeightSource& weights, const BlockSetting& setting, TensorMap& network) {
  constexpr std::int64_t kDeepest = 4096;
  if (setting.depth > kDeepest)
    throw DataError(fmt::format("there are to be {} layers '{}'", setting.depth, setting.from));
  for (std::int64_t i = 0; i < setting.depth; ++i) move_block(weights, setting, i, network);
}

void require_gelu(const JsonFile& config) {
  const auto name = config.value<std::string>("hidden_act", "gelu");
  if (name != "gelu")
    throw DataError("the activation is '" + name + "'; only the exact \"gelu\" is read", config.path().string());
}

std::int64_t first_size(const TensorMap& network, const std::string& name, std::int64_t fallback) {
  const auto found = network.find(name);
  return found == network.end() || found->second.dim() == 0 ? fallback : found->second.size(0);
}

/// Width, depth, heads, MLP, biases and epsilon of a network, as the options of any transformer are called.
Value::Table shape_options(const TensorMap& network, std::int64_t width, std::int64_t depth, std::int64_t heads,
                           Biases biases, double epsilon) {
  const std::int64_t hidden = first_size(network, "blocks.0.mlp.fc1.weight", 4 * width);
  return {{"width", Value(width)},
          {"depth", Value(depth)},
          {"heads", Value(heads)},
          {"mlp_ratio", Value(exact_ratio(hidden, width))},
          {"qkv_bias", Value(biases != Biases::none)},
          {"key_bias", Value(biases != Biases::query_value)},
          {"norm_epsilon", Value(epsilon)}};
}

void add(Value::Table& table, std::initializer_list<std::pair<std::string, Value>> more) {
  table.insert(table.end(), more);
}

Value text(const char* value) { return Value(std::string(value)); }

/// A classifier or pooler behind the encoder, where the weights have one.
void read_head(WeightSource& weights, const std::string& prefix, HeadInput input, PublishedModel& model) {
  PublishedHead head;
  if (weights.has(prefix + "pooler.dense.weight")) {
    head.is_pooler = true;
    weights.move_affine(prefix + "pooler.dense", head.weights, "linear");
  } else if (weights.has("classifier.weight")) {
    head.input = input;
    weights.move_affine("classifier", head.weights, "linear");
    if (weights.has("fc_norm.weight")) weights.move_affine("fc_norm", head.weights, "norm");
  } else {
    return;
  }
  model.head = std::move(head);
}

void read_tokenizer(const JsonFile& config, const char* channels, PublishedModel& model) {
  model.tokenizer = {
      config.value<std::int64_t>(channels, 3), config.sizes("patch_size", 2), {Axis::height, Axis::width}};
  model.grid = model.tokenizer.grid(config.sizes("image_size", 2));
}

void read_video_tokenizer(const JsonFile& config, const char* channels, const char* frames, const char* side,
                          PublishedModel& model) {
  const auto patch = config.sizes("patch_size", 2), size = config.sizes(side, 2);
  model.tokenizer = {config.value<std::int64_t>(channels, 3),
                     {config.size("tubelet_size"), patch[0], patch[1]},
                     {Axis::time, Axis::height, Axis::width}};
  model.grid = model.tokenizer.grid({config.size(frames), size[0], size[1]});
}

/// The decoder of MAE: class token and all places in their order, learned positions.
PublishedNetwork read_mae_decoder(const JsonFile& config, WeightSource& weights, Biases biases, double epsilon) {
  PublishedNetwork decoder;
  TensorMap& network = decoder.weights;
  weights.move_affine("decoder.decoder_embed", network, "embed");
  weights.move("decoder.mask_token", network, "mask_tokens");
  weights.move("decoder.decoder_pos_embed", network, "positions");
  const std::int64_t depth = config.size("decoder_num_hidden_layers");
  const bool is_new = weights.has("decoder.decoder_layers.0.layernorm_before.weight");
  const char* blocks = is_new ? "decoder.decoder_layers." : "decoder.decoder_encoder.layer.";
  move_blocks(weights, {blocks, "blocks.", depth, kVitNames, biases}, network);
  weights.move_affine("decoder.decoder_norm", network, "norm");
  weights.move_affine("decoder.decoder_pred", network, "project");
  decoder.options = shape_options(network, config.size("decoder_hidden_size"), depth,
                                  config.size("decoder_num_attention_heads"), biases, epsilon);
  add(decoder.options, {{"positions", text("learned")},
                        {"resize_flat", Value(true)},
                        {"class_token", Value(true)},
                        {"whole_grid", Value(true)}});
  decoder.output_width = first_size(network, "project.weight", 0);
  return decoder;
}

/// ViT and its kin: learned positions; class token, registers, LayerScale and SwiGLU where the weights have them; the
/// decoder of MAE.
PublishedModel read_vit(const JsonFile& config, WeightSource& weights, const BlockNames& names, HeadInput head,
                        bool has_registers) {
  require_gelu(config);
  const std::int64_t depth = config.size("num_hidden_layers");
  const Biases biases = config.value("qkv_bias", true) ? Biases::all : Biases::none;
  const double epsilon = config.value("layer_norm_eps", 1e-12);
  PublishedModel model;
  read_tokenizer(config, "num_channels", model);
  const std::string prefix = weights.prefix_before("embeddings.position_embeddings");
  TensorMap& network = model.encoder.weights;
  weights.move_tokenizer(prefix + "embeddings.patch_embeddings.projection", network);
  weights.move(prefix + "embeddings.position_embeddings", network, "positions");
  model.shows_class_token = weights.has(prefix + "embeddings.cls_token");
  if (model.shows_class_token) weights.move(prefix + "embeddings.cls_token", network, "class_token");
  if (has_registers) weights.move(prefix + "embeddings.register_tokens", network, "registers");
  const bool has_mask_token = weights.has(prefix + "embeddings.mask_token");
  if (has_mask_token) network["mask_token"] = weights.take(prefix + "embeddings.mask_token")->reshape({1, 1, -1});
  move_blocks(weights, {prefix + "encoder.layer.", "blocks.", depth, names, biases}, network);
  weights.move_affine(prefix + "layernorm", network, "norm");
  read_head(weights, prefix, head, model);
  if (weights.has("decoder.decoder_embed.weight")) model.predictor = read_mae_decoder(config, weights, biases, epsilon);
  const std::int64_t registers = network.contains("registers") ? network["registers"].size(1) : 0;
  model.encoder.options =
      shape_options(network, config.size("hidden_size"), depth, config.size("num_attention_heads"), biases, epsilon);
  add(model.encoder.options, {{"preset", text("")},
                              {"positions", text("learned")},
                              {"resize_antialias", Value(has_registers)},
                              {"class_token", Value(model.shows_class_token)},
                              {"register_tokens", Value(registers)},
                              {"pool", text(model.shows_class_token ? "cls" : "mean")},
                              {"mask_token", Value(has_mask_token)},
                              {"gated", Value(network.contains("blocks.0.mlp.gate.weight"))},
                              {"layer_scale", Value(network.contains("blocks.0.scale1") ? 1.0 : 0.0)}});
  return model;
}

/// VideoMAE: positions by running number, and a decoder over seen and asked tokens.
PublishedModel read_videomae(const JsonFile& config, WeightSource& weights) {
  require_gelu(config);
  const std::int64_t depth = config.size("num_hidden_layers");
  const Biases biases = config.value("qv_bias", true) ? Biases::query_value : Biases::none;
  const double epsilon = config.value("layer_norm_eps", 1e-12);
  PublishedModel model;
  read_video_tokenizer(config, "num_channels", "num_frames", "image_size", model);
  const std::string prefix = weights.prefix_before("embeddings.patch_embeddings.projection.weight");
  TensorMap& network = model.encoder.weights;
  weights.move_tokenizer(prefix + "embeddings.patch_embeddings.projection", network);
  move_blocks(weights, {prefix + "encoder.layer.", "blocks.", depth, kVitNames, biases}, network);
  const bool has_norm = !config.value("use_mean_pooling", true);
  if (has_norm) weights.move_affine(prefix + "layernorm", network, "norm");
  model.encoder.options =
      shape_options(network, config.size("hidden_size"), depth, config.size("num_attention_heads"), biases, epsilon);
  add(model.encoder.options, {{"preset", text("")}, {"positions", text("sinusoid")}, {"last_norm", Value(has_norm)}});
  model.reconstruction =
      Reconstruction{config.value("norm_pix_loss", true) ? PatchNorm::patch_channel : PatchNorm::none, 0.0,
                     model.tokenizer.channels == 3};
  read_head(weights, prefix, has_norm ? HeadInput::first : HeadInput::mean, model);
  if (!weights.has("encoder_to_decoder.weight")) return model;

  PublishedNetwork decoder;
  const std::int64_t width = config.size("decoder_hidden_size"), blocks = config.size("decoder_num_hidden_layers");
  weights.move_affine("encoder_to_decoder", decoder.weights, "embed", /*has_bias=*/false);
  weights.move("mask_token", decoder.weights, "mask_tokens");
  move_blocks(weights, {"decoder.decoder_layers.", "blocks.", blocks, kVitNames, biases}, decoder.weights);
  weights.move_affine("decoder.norm", decoder.weights, "norm");
  weights.move_affine("decoder.head", decoder.weights, "project");
  decoder.options =
      shape_options(decoder.weights, width, blocks, config.size("decoder_num_attention_heads"), biases, epsilon);
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
  const std::string cross = "pooler.cross_attention_layer.";
  weights.move("pooler.query_tokens", head.weights, "pooler.queries");
  weights.move_affine(cross + "layer_norm1", head.weights, "pooler.norm1");
  weights.move_affine(cross + "layer_norm2", head.weights, "pooler.norm2");
  weights.move_affine(cross + "cross_attn.q_proj", head.weights, "pooler.attention.query");
  for (const char* part : {".weight", ".bias"})
    weights.move_stacked({cross + "cross_attn.k_proj" + part, cross + "cross_attn.v_proj" + part}, head.weights,
                         std::string("pooler.attention.key_value") + part);
  weights.move_affine(cross + "mlp.fc1", head.weights, "pooler.mlp.fc1");
  weights.move_affine(cross + "mlp.fc2", head.weights, "pooler.mlp.fc2");
  move_blocks(weights,
              {"pooler.self_attention_layers.", "pooler.blocks.", head.pooler.blocks, kPoolerNames, Biases::all},
              head.weights);
  weights.move_affine("classifier", head.weights, "classifier");
  return head;
}

/// V-JEPA 2: rotary positions in the layout it was trained with, numbered on the grid of the configuration.
PublishedModel read_vjepa2(const JsonFile& config, WeightSource& weights) {
  require_gelu(config);
  const std::int64_t depth = config.size("num_hidden_layers");
  const Biases biases = config.value("qkv_bias", true) ? Biases::all : Biases::none;
  const double epsilon = config.value("layer_norm_eps", 1e-6);
  PublishedModel model;
  read_video_tokenizer(config, "in_chans", "frames_per_clip", "crop_size", model);
  const std::string prefix = weights.prefix_before("encoder.embeddings.patch_embeddings.proj.weight");
  const auto rotary = [](Value::Table& options) {
    add(options,
        {{"positions", text("rotary")}, {"rotary_layout", text("tiled")}, {"rotary_numbering", text("first")}});
  };
  TensorMap& network = model.encoder.weights;
  weights.move_tokenizer(prefix + "encoder.embeddings.patch_embeddings.proj", network);
  move_blocks(weights, {prefix + "encoder.layer.", "blocks.", depth, kJepaNames, biases}, network);
  weights.move_affine(prefix + "encoder.layernorm", network, "norm");
  model.encoder.options =
      shape_options(network, config.size("hidden_size"), depth, config.size("num_attention_heads"), biases, epsilon);
  add(model.encoder.options, {{"preset", text("")}});
  rotary(model.encoder.options);
  if (weights.has("pooler.query_tokens")) model.head = read_attentive_head(config, weights, epsilon);
  const std::string from = prefix + "predictor.";
  if (!weights.has(from + "proj.weight")) return model;

  PublishedNetwork predictor;
  const std::int64_t blocks = config.size("pred_num_hidden_layers");
  weights.move_affine(from + "embeddings.predictor_embeddings", predictor.weights, "embed");
  if (const auto tokens = weights.take(from + "embeddings.mask_tokens"))
    predictor.weights["mask_tokens"] = tokens->dim() == 4 ? tokens->flatten(1, 2) : *tokens;
  move_blocks(weights, {from + "layer.", "blocks.", blocks, kJepaNames, biases}, predictor.weights);
  weights.move_affine(from + "layernorm", predictor.weights, "norm");
  weights.move_affine(from + "proj", predictor.weights, "project");
  predictor.options = shape_options(predictor.weights, config.size("pred_hidden_size"), blocks,
                                    config.size("pred_num_attention_heads"), biases, epsilon);
  add(predictor.options, {{"groups", Value(first_size(predictor.weights, "mask_tokens", 1))}});
  rotary(predictor.options);
  model.predictor = std::move(predictor);
  return model;
}

PublishedModel read_model(const std::string& type, const JsonFile& config, WeightSource& weights) {
  if (type == "ijepa") return read_vit(config, weights, kVitNames, HeadInput::mean, false);
  if (type == "vit" || type == "vit_msn") return read_vit(config, weights, kVitNames, HeadInput::first, false);
  if (type == "dinov2") return read_vit(config, weights, kDinoNames, HeadInput::first_and_mean, false);
  if (type == "dinov2_with_registers") return read_vit(config, weights, kDinoNames, HeadInput::first_and_mean, true);
  if (type == "videomae") return read_videomae(config, weights);
  if (type == "vjepa2") return read_vjepa2(config, weights);
  if (type == "vit_mae") {
    PublishedModel model = read_vit(config, weights, kVitNames, HeadInput::first, false);
    const bool is_normed = config.value("norm_pix_loss", false);
    model.reconstruction =
        Reconstruction{is_normed ? PatchNorm::patch : PatchNorm::none, config.value("mask_ratio", 0.75), false};
    return model;
  }
  throw DataError("the model type '" + type + "' is not read", config.path().string(),
                  "read are: ijepa, vit, vit_msn, dinov2, dinov2_with_registers, vit_mae, videomae, vjepa2");
}

}  // namespace

PublishedModel read_huggingface(const fs::path& folder, bool is_partial) {
  const JsonFile config(folder / "config.json");
  SafetensorsFile file = read_folder(folder);
  WeightSource weights(std::move(file.tensors));
  const auto type = config.value<std::string>("model_type", "");
  PublishedModel model = read_model(type, config, weights);
  // What was stacked is copied: without this its pages would count twice in the peak of memory.
  file.release_pages();
  restore_own(config, model);
  model.data = read_preprocessor(folder);
  model.format = type + " of transformers";
  settle_complaints(model, weights.complaints(), is_partial, folder.string());
  return model;
}

}  // namespace cairn

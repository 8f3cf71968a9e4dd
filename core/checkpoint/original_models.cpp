#include "checkpoint/original_models.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <regex>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/error.h"
#include "checkpoint/option_table.h"
#include "checkpoint/original.h"
#include "checkpoint/original_heads.h"
#include "checkpoint/original_keys.h"
#include "checkpoint/original_sizes.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/weight_source.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

/// Which repository's layout a file has.
enum class Family : std::uint8_t { ijepa, jepa, vjepa2, vjepa21, dino, timm, mae, videomae };

/// A file's tensors by network, without the wrappers' prefixes.
struct Contents {
  TensorMap student, teacher, predictor, head;
  Family family = Family::dino;
};

/// The checkpoints of a folder: one of a network, and where there is one that of its classifier.
std::vector<fs::path> files_of(const fs::path& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(path))
    if (is_checkpoint_name(entry.path())) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  if (found.empty() || found.size() > 2)
    throw DataError(
        fmt::format("the folder must hold one checkpoint, or one and its classifier's, and holds {}", found.size()),
        path.string(), "checkpoints end with .pth, .pth.tar, .pt or .safetensors");
  return found;
}

/// Takes off what a program of one's own put before the names of an encoder: "encoder.", "model.". VideoMAE's
/// "encoder." stands beside a decoder, and stays.
void strip_prefix(TensorMap& network) {
  const std::string first = "patch_embed.proj.weight";
  if (network.contains(first) || network.contains("encoder_to_decoder.weight")) return;
  const std::string prefix = WeightSource(network).prefix_before(first);
  TensorMap bare;
  for (const auto& [name, tensor] : network)
    bare[name.starts_with(prefix) ? name.substr(prefix.size()) : name] = tensor;
  network.swap(bare);
}

/// The tensors below `key` ("teacher/"), wrappers taken off their names.
TensorMap unwrapped(const TensorMap& all, const std::string& key) {
  static const std::regex wrappers("(module\\.|backbone\\.|_orig_mod\\.)");
  TensorMap found;
  for (auto it = all.lower_bound(key); it != all.end() && it->first.starts_with(key); ++it)
    found[std::regex_replace(it->first.substr(key.size()), wrappers, "")] = it->second;
  strip_prefix(found);
  return found;
}

std::int64_t mask_tokens(const TensorMap& predictor) {
  std::int64_t count = 0;
  while (predictor.contains(fmt::format("mask_tokens.{}", count))) ++count;
  return count;
}

Family jepa_family(const Contents& contents, const Sizes& sizes) {
  const auto named = sizes.text("original");
  if (contents.student.contains("norms_block.0.weight")) return Family::vjepa21;
  if (named == "ijepa" || contents.predictor.contains("mask_token")) return Family::ijepa;
  // V-JEPA 1 was published with two mask tokens, V-JEPA 2 with ten and positions that it does not use.
  const bool looks_second = mask_tokens(contents.predictor) > 2 || !contents.student.contains("pos_embed");
  const bool is_second = named.empty() ? looks_second : named == "vjepa2";
  const auto kernel = contents.student.find("patch_embed.proj.weight");
  const bool is_video = kernel != contents.student.end() && kernel->second.dim() == 5;
  return is_second ? Family::vjepa2 : is_video ? Family::jepa : Family::ijepa;
}

Contents sort_out(const TensorMap& all, const Sizes& sizes) {
  Contents contents;
  const auto has = [&](const char* key) {
    const auto first = all.lower_bound(key);
    return first != all.end() && first->first.starts_with(key);
  };
  if (has("encoder/") || has("target_encoder/") || has("ema_encoder/")) {
    contents.student = unwrapped(all, "encoder/");
    contents.teacher = unwrapped(all, has("target_encoder/") ? "target_encoder/" : "ema_encoder/");
    contents.predictor = unwrapped(all, "predictor/");
    if (contents.student.empty()) contents.student.swap(contents.teacher);
    contents.family = jepa_family(contents, sizes);
    return contents;
  }
  for (const char* key : {"classifier/", "classifiers/0/"})
    if (has(key)) {
      contents.head = unwrapped(all, key);
      return contents;
    }
  if (has("teacher/") || has("student/")) {
    contents.student = unwrapped(all, has("student/") ? "student/" : "teacher/");
    if (has("student/") && has("teacher/")) contents.teacher = unwrapped(all, "teacher/");
    return contents;
  }
  for (const char* key : {"model/", "state_dict/", "module/", ""}) {
    if (!has(key)) continue;
    contents.student = unwrapped(all, key);
    if (is_head_alone(contents.student)) {
      contents.head.swap(contents.student);
      return contents;
    }
    const bool is_mae = std::string_view(key) == "model/";
    const bool is_video = contents.student.contains("encoder_to_decoder.weight");
    // Of these layouts timm's alone is published as safetensors.
    const bool is_timm = std::string_view(key).empty() && sizes.checkpoint().ends_with(".safetensors");
    contents.family = is_video ? Family::videomae : is_mae ? Family::mae : is_timm ? Family::timm : Family::dino;
    return contents;
  }
  return contents;
}

struct PublishedWidth {
  std::int64_t width, heads;
};

/// Heads of the published networks of this width; 0 where there is none.
std::int64_t heads_in(std::span<const PublishedWidth> published, std::int64_t width) {
  const auto found = std::ranges::find(published, width, &PublishedWidth::width);
  return found == published.end() ? 0 : found->heads;
}

/// A vision transformer without a predictor or decoder.
bool is_plain(Family family) { return family == Family::dino || family == Family::timm; }

bool is_rotary(Family family) { return family == Family::vjepa2 || family == Family::vjepa21; }

/// Heads of the published encoders of this width; 0 where there is none.
std::int64_t usual_heads(std::int64_t width, Family family) {
  // V-JEPA 2 alone keeps 64 features a head in its largest encoders.
  if (is_rotary(family) && (width == 1408 || width == 1664)) return width / 64;
  constexpr std::array<PublishedWidth, 8> kEncoders = {
      {{192, 3}, {384, 6}, {768, 12}, {1024, 16}, {1280, 16}, {1408, 16}, {1536, 24}, {1664, 16}}};
  return heads_in(kEncoders, width);
}

/// Heads of the published predictors of this width behind an encoder; 0 where there is none.
std::int64_t usual_predictor_heads(std::int64_t width, std::int64_t encoder_heads, Family family) {
  if (width != 384) return 0;
  return is_rotary(family) ? 12 : encoder_heads;
}

/// Heads of the published decoders of MAE of this width; 0 where there is none.
std::int64_t usual_mae_heads(std::int64_t width) { return width == 512 ? 16 : 0; }

/// Heads of the published decoders of VideoMAE of this width; 0 where there is none.
std::int64_t usual_videomae_heads(std::int64_t width) {
  constexpr std::array<PublishedWidth, 4> kDecoders = {{{192, 3}, {384, 6}, {512, 8}, {640, 8}}};
  return heads_in(kDecoders, width);
}

Value text(const char* value) { return Value(std::string(value)); }

void add(Value::Table& table, std::initializer_list<std::pair<std::string, Value>> more) {
  table.insert(table.end(), more);
}

std::int64_t rows(const TensorMap& network, const std::string& name, std::int64_t fallback) {
  const auto found = network.find(name);
  return found == network.end() || found->second.dim() == 0 ? fallback : found->second.size(0);
}

Value::Table shape_options(const TensorMap& network, std::int64_t width, std::int64_t depth, std::int64_t heads,
                           double epsilon) {
  const bool is_partial = network.contains("blocks.0.attention.query_bias");
  Value::Table options = {{"width", Value(width)},
                          {"depth", Value(depth)},
                          {"heads", Value(heads)},
                          {"mlp_ratio", Value(exact_ratio(rows(network, "blocks.0.mlp.fc1.weight", 4 * width), width))},
                          {"qkv_bias", Value(is_partial || network.contains("blocks.0.attention.qkv.bias"))},
                          {"key_bias", Value(!is_partial)},
                          {"norm_epsilon", Value(epsilon)}};
  if (network.contains("blocks.0.scale1")) options.emplace_back("layer_scale", Value(1.0));
  return options;
}

// AudioMAE: 1024 frames, or fewer, by 128 mels, in patches of 16.
constexpr std::int64_t kMelPatches = 8;

/// The extent of a grid of `count` tokens: time first where there are three axes.
std::vector<std::int64_t> extent_of(std::int64_t count, std::size_t axes, std::int64_t layers) {
  if (axes == 3) {
    std::vector<std::int64_t> extent = extent_of(count / layers, 2, 0);
    extent.insert(extent.begin(), layers);
    return extent;
  }
  const auto side = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(count))));
  if (side * side == count) return {side, side};
  return {count / kMelPatches, kMelPatches};
}

/// What the tokenizer and the positions say of the views.
void read_views(std::int64_t tokens, Family family, const Sizes& sizes, PublishedModel& model) {
  const std::size_t axes = model.tokenizer.patch.size();
  const auto sides = sizes.sides();
  const bool is_oblong = tokens > 0 && extent_of(tokens, 2, 0)[0] != extent_of(tokens, 2, 0)[1];
  // AudioMAE's clips of five seconds have as many tokens as a square; no MAE of gray pictures was published.
  const bool is_audiomae = family == Family::mae && !sides && tokens > 0 && tokens % kMelPatches == 0;
  const bool is_sound = axes == 2 && model.tokenizer.channels == 1 && (is_oblong || is_audiomae);
  model.tokenizer.axes = axes == 3  ? std::vector{Axis::time, Axis::height, Axis::width}
                         : is_sound ? std::vector{Axis::time, Axis::frequency}
                                    : std::vector{Axis::height, Axis::width};
  const bool is_second = is_rotary(family);
  const std::int64_t frames = sizes.value("num_frames", is_second ? 64 : 16);
  const std::int64_t layers = axes == 3 ? std::max<std::int64_t>(1, frames / model.tokenizer.patch.front()) : 1;
  std::vector<std::int64_t> extent;
  if (sides || tokens == 0) {
    const std::int64_t usual = is_second ? 256 : 224;
    extent = sides.value_or(std::vector{usual, usual});
    for (std::size_t i = 0; i < 2; ++i) extent[i] /= model.tokenizer.patch[axes - 2 + i];
    if (axes == 3) extent.insert(extent.begin(), layers);
  } else {
    extent = is_sound ? std::vector{tokens / kMelPatches, kMelPatches} : extent_of(tokens, axes, layers);
  }
  model.grid = {extent, model.tokenizer.axes};
  if (tokens > 0 && !is_second && model.grid.count() != tokens)
    throw DataError(
        fmt::format("the sizes make {} tokens, and the checkpoint has positions for {}", model.grid.text(), tokens),
        sizes.checkpoint(), "say the sizes in an architecture.json beside it: img_size, num_frames");
}

// Heads that have no part in the features.
constexpr std::array kUnused = {"head.", "fc_norm.", "dino_head.", "ibot_head."};

/// A head, projector or decoder that has no part in the features.
void leave_out(WeightSource& weights, const char* head, PublishedModel& model) {
  const std::size_t count = weights.drop(head);
  if (count > 0) model.gaps.push_back(fmt::format("not read: {} tensors of '{}', no part of the encoder", count, head));
}

std::int64_t register_count(const TensorMap& network) {
  const auto registers = network.find("registers");
  return registers == network.end() || registers->second.dim() < 2 ? 0 : registers->second.size(1);
}

/// How many of `count` places are those of patches. Class token and registers, `leading` and `registers` of them, may
/// have places before: in DINO and DINOv2 only the class token, in timm's models both or none.
std::int64_t patch_places(std::int64_t count, std::int64_t leading, std::int64_t registers, Family family) {
  if (registers == 0 && family == Family::mae) return count - leading;
  const auto is_square = [](std::int64_t n) { return n > 0 && extent_of(n, 2, 0)[0] == extent_of(n, 2, 0)[1]; };
  for (const std::int64_t before : {leading, std::int64_t{0}, leading + registers})
    if (is_square(count - before)) return count - before;
  return count - leading;
}

/// The positions of class token and patches out of a table of `patches` of them. Registers have no place of their own
/// in the network: those that the table has for them become a part of them.
void place_tokens(const at::Tensor& table, std::int64_t patches, const Sizes& sizes, TensorMap& network) {
  const std::int64_t leading = network.contains("class_token") ? 1 : 0, before = table.size(1) - patches;
  if (before == leading) {
    network["positions"] = table;
    return;
  }
  if (before > leading) {
    at::Tensor& registers = network.at("registers");
    if (registers.dim() != 3 || registers.size(2) != table.size(2))
      throw DataError(fmt::format("the registers have the shape [{}]", fmt::join(registers.sizes(), ", ")),
                      sizes.checkpoint(), "it should be [1, registers, features]");
    registers = registers + table.slice(1, leading, before);
  }
  const at::Tensor first = before == 0 ? at::zeros({1, leading, table.size(2)}, table.options()) : table;
  network["positions"] = at::cat({first.slice(1, 0, leading), table.slice(1, before)}, 1);
}

/// The table of positions, if it is learned; fixed ones are made anew. Returns the number of patches it is for, 0
/// where there is none.
std::int64_t move_positions(WeightSource& weights, const std::string& prefix, Family family, const Sizes& sizes,
                            TensorMap& network) {
  if (!weights.has(prefix + "pos_embed")) return 0;
  const at::Tensor table = *weights.take(prefix + "pos_embed");
  if (table.dim() != 3 || table.size(0) != 1)
    throw DataError(fmt::format("the position table has the shape [{}]", fmt::join(table.sizes(), ", ")),
                    sizes.checkpoint(), "it should be [1, tokens, features]");
  const std::int64_t count = table.size(1);
  if (!is_plain(family) && family != Family::mae && family != Family::videomae) return count;
  const std::int64_t leading = network.contains("class_token") ? 1 : 0;
  const std::int64_t patches = patch_places(count, leading, register_count(network), family);
  place_tokens(table, patches, sizes, network);
  return patches;
}

/// The blocks that V-JEPA 2.1's levels lie behind, from 0: none for others.
std::vector<std::int64_t> output_levels(const TensorMap& network, std::int64_t depth) {
  std::int64_t count = 0;
  while (network.contains(fmt::format("level_norms.{}.weight", count))) ++count;
  if (count == 0) return {};
  constexpr std::int64_t kGigantic = 48;
  if (depth == kGigantic && count == 3) return {11, 23, 37, 47};  // as published: not at even distances
  std::vector<std::int64_t> levels;
  for (std::int64_t i = 1; i <= count + 1; ++i) levels.push_back(depth * i / (count + 1) - 1);
  return levels;
}

Value::Table encoder_options(const TensorMap& network, Family family, const Sizes& sizes, std::int64_t depth,
                             const PublishedModel& model) {
  const std::int64_t width = rows(network, "patch_embed.weight", 0);
  const std::int64_t heads = sizes.heads("num_heads", width, usual_heads(width, family));
  Value::Table options = shape_options(network, width, depth, heads, sizes.epsilon());
  const bool has_class = network.contains("class_token");
  const std::int64_t count = register_count(network);
  const bool is_jepa = family == Family::ijepa || family == Family::jepa;
  Value::Array levels;
  for (const std::int64_t level : output_levels(network, depth)) levels.emplace_back(level);
  const bool is_patch14 = model.tokenizer.patch.back() == 14;
  const char* positions = network.contains("positions") ? "learned" : is_jepa ? "sincos" : "sinusoid";
  add(options, {{"preset", text("")},
                {"positions", text(is_rotary(family) ? "rotary" : positions)},
                {"position_order", text(family == Family::ijepa ? "xy" : "yx")},
                {"uniform_power", Value(sizes.flag("uniform_power", true))},
                {"rotary_layout", text(family == Family::vjepa2 ? "tiled" : "paired")},
                {"rotary_grid", Value(std::int64_t{family != Family::vjepa21 ? 0
                                                   : is_patch14              ? 18
                                                                             : 16})},
                {"class_token", Value(has_class)},
                {"pool", text(has_class ? "cls" : "mean")},
                {"register_tokens", Value(count)},
                {"resize_antialias", Value(count > 0 || family == Family::timm)},
                {"resize_offset", Value(family == Family::dino && count == 0 ? 0.1 : 0.0)},
                {"mask_token", Value(network.contains("mask_token"))},
                {"gated", Value(network.contains("blocks.0.mlp.gate.weight"))},
                {"last_norm", Value(network.contains("norm.weight"))},
                {"picture_tokenizer", Value(network.contains("picture_embed.weight"))},
                {"levels", Value(std::move(levels))}});
  return options;
}

/// Weights that are no original's: those of transformers and of Cairn are told by their names.
[[noreturn]] void refuse_weights(const WeightSource& weights, const Sizes& sizes) {
  const fs::path file = sizes.checkpoint();
  if (weights.has("encoder.patch_embed.weight"))
    throw DataError("this is one file of a run, or of a folder of cairn convert", file.string(),
                    "name the run, its checkpoints/step-N, or the folder");
  if (!weights.has_part("embeddings.patch_embeddings."))
    throw DataError("there is no encoder with a patch embedding in this file", file.string(),
                    "it must be a checkpoint of I-JEPA, V-JEPA, DINO, DINOv2, MAE, VideoMAE or AudioMAE, or of timm");
  if (fs::exists(file.parent_path() / "config.json"))
    throw DataError("these are weights of transformers, which config.json beside them describes", file.string(),
                    "name the folder");
  throw DataError("these are weights of transformers, and config.json is missing beside them", file.string(),
                  "get it from where they came from, and name the folder");
}

/// A vision transformer that adds no table of positions to its patches has rotary or relative ones, of which nothing is
/// in the file; EVA-02 has both, and is told by its SwiGLU beside biases of queries and values alone.
void require_table(const WeightSource& weights, const TensorMap& network, const Sizes& sizes) {
  const bool is_eva = network.contains("blocks.0.attention.query_bias") && network.contains("blocks.0.mlp.gate.weight");
  if (weights.has("pos_embed") && !is_eva) return;
  throw DataError(is_eva ? "this is an EVA-02, whose rotary positions are not read"
                         : "there is no table of positions in this file; networks with rotary or relative ones, such "
                           "as DINOv3 and BEiT, are not read",
                  sizes.checkpoint(), "use a ViT with learned or sine-cosine positions");
}

/// An encoder; `prefix` is VideoMAE's "encoder.".
PublishedNetwork read_encoder(WeightSource& weights, const std::string& prefix, Family family, const Sizes& sizes,
                              PublishedModel& model) {
  const auto kernel = weights.find(prefix + "patch_embed.proj.weight");
  if (!kernel || (kernel->dim() != 4 && kernel->dim() != 5) || kernel->numel() == 0) refuse_weights(weights, sizes);
  model.tokenizer = {kernel->size(1), kernel->sizes().slice(2).vec(), {}};
  PublishedNetwork encoder;
  TensorMap& network = encoder.weights;
  const TimmKeys keys = timm_encoder_keys(weights, prefix, model.tokenizer, kernel->size(0));
  weights.move(keys.keys, network);
  if (is_plain(family) && weights.has("mask_token") && !weights.has("decoder_embed.weight"))
    network["mask_token"] = weights.take("mask_token")->reshape({1, 1, -1});
  if (kernel->dim() == 4 && (is_plain(family) || family == Family::mae)) require_table(weights, network, sizes);
  read_views(move_positions(weights, prefix, family, sizes, network), family, sizes, model);
  encoder.options = encoder_options(network, family, sizes, keys.depth, model);
  return encoder;
}

/// The predictor of I-JEPA and V-JEPA; that of V-JEPA 2.1 sees several levels of the encoder, gives as many, and
/// answers for seen places too.
PublishedNetwork read_jepa_predictor(WeightSource& weights, Family family, const Sizes& sizes,
                                     const PublishedModel& model) {
  PublishedNetwork predictor;
  TensorMap& network = predictor.weights;
  const TimmKeys keys = jepa_predictor_keys(weights);
  weights.move(keys.keys, network);
  weights.drop("predictor_pos_embed");  // fixed, or unused
  const std::int64_t width = rows(network, "embed.weight", 384), fused = rows(network, "fuse.weight", 0);
  const auto encoder_heads = option_or(model.encoder.options, "heads", std::int64_t{0});
  const std::int64_t heads =
      sizes.heads("predictor_num_heads", width, usual_predictor_heads(width, encoder_heads, family));
  predictor.options = shape_options(network, width, keys.depth, heads, sizes.epsilon());
  add(predictor.options, {{"groups", Value(rows(network, "mask_tokens", 1))},
                          {"positions", text(is_rotary(family) ? "rotary" : "sincos")},
                          {"position_order", text(family == Family::ijepa ? "xy" : "yx")},
                          {"uniform_power", Value(sizes.flag("uniform_power", true))},
                          {"rotary_layout", text(family == Family::vjepa21 ? "paired" : "tiled")},
                          {"rotary_grid", *find_option(model.encoder.options, "rotary_grid")},
                          {"rotary_numbering", text(family == Family::vjepa21 ? "first" : "view")},
                          {"gated", Value(network.contains("blocks.0.mlp.gate.weight"))},
                          {"fuse", Value(fused)},
                          {"seen_outputs", Value(network.contains("project_seen.weight"))},
                          {"marks", Value(network.contains("clip_mark"))}});
  if (fused > 0 && network.at("fuse.weight").dim() == 2) predictor.input_width = network.at("fuse.weight").size(1);
  predictor.output_width = rows(network, "project.weight", 0);
  return predictor;
}

/// The table of a decoder's positions, [1,1+N,D]; without the class token's where the decoder does without it.
void move_decoder_positions(WeightSource& weights, bool has_class_token, TensorMap& network) {
  const auto table = weights.take("decoder_pos_embed");
  if (!table) return;
  network["positions"] = has_class_token || table->dim() != 3 ? *table : table->slice(1, 1);
}

/// MAE's decoder: class token, every place, the table of its positions.
PublishedNetwork read_mae_decoder(WeightSource& weights, const Sizes& sizes) {
  PublishedNetwork decoder;
  TensorMap& network = decoder.weights;
  const TimmKeys keys = original_mae_decoder_keys(weights);
  weights.move(keys.keys, network);
  move_decoder_positions(weights, /*has_class_token=*/true, network);
  const std::int64_t width = rows(network, "embed.weight", 512);
  const std::int64_t heads = sizes.heads("predictor_num_heads", width, usual_mae_heads(width));
  decoder.options = shape_options(network, width, keys.depth, heads, sizes.epsilon());
  add(decoder.options, {{"positions", text("learned")}, {"class_token", Value(true)}, {"whole_grid", Value(true)}});
  decoder.output_width = rows(network, "project.weight", 0);
  return decoder;
}

/// AudioMAE's decoder: every place, attention in windows.
PublishedNetwork read_audiomae_decoder(WeightSource& weights, const Sizes& sizes) {
  PublishedNetwork decoder;
  TensorMap& network = decoder.weights;
  const TimmKeys keys = audiomae_decoder_keys(weights);
  weights.move(keys.keys, network);
  move_decoder_positions(weights, /*has_class_token=*/false, network);
  const std::int64_t width = rows(network, "embed.weight", 512);
  const std::int64_t heads = rows(network, "blocks.0.attention.temperature", 16);
  const std::int64_t window = sizes.value("decoder_window", 4);
  decoder.options = {
      {"width", Value(width)},
      {"depth", Value(keys.depth)},
      {"heads", Value(heads)},
      {"mlp_ratio", Value(exact_ratio(rows(network, "blocks.0.mlp.fc1.weight", 4 * width), width))},
      {"distance_width", Value(rows(network, "blocks.0.attention.distance1.weight", 384))},
      {"window", Value(Value::Array{Value(window), Value(window)})},
      {"shift", Value(Value::Array{Value(sizes.flag("no_shift", false) ? 0 : window / 2), Value(std::int64_t{0})})},
      {"norm_epsilon", Value(sizes.epsilon())}};
  decoder.output_width = rows(network, "project.weight", 0);
  return decoder;
}

/// VideoMAE's decoder over seen and asked tokens.
PublishedNetwork read_videomae_decoder(WeightSource& weights, const Sizes& sizes) {
  PublishedNetwork decoder;
  TensorMap& network = decoder.weights;
  const TimmKeys keys = original_videomae_decoder_keys(weights);
  weights.move(keys.keys, network);
  const std::int64_t width = rows(network, "embed.weight", 384);
  const std::int64_t heads = sizes.heads("predictor_num_heads", width, usual_videomae_heads(width));
  decoder.options = shape_options(network, width, keys.depth, heads, sizes.epsilon());
  add(decoder.options, {{"positions", text("sinusoid")}, {"embed_bias", Value(false)}});
  decoder.output_width = rows(network, "project.weight", 0);
  return decoder;
}

/// What follows the encoder in a file that holds one network: a decoder, a classifier.
void read_rest(WeightSource& weights, Family family, const Sizes& sizes, PublishedModel& model) {
  if (family == Family::videomae) {
    model.predictor = read_videomae_decoder(weights, sizes);
    model.reconstruction = Reconstruction{PatchNorm::patch_channel, sizes.real("mask_ratio", 0.9), true};
  } else if (weights.has("decoder_blocks.0.attn.tau")) {
    model.predictor = read_audiomae_decoder(weights, sizes);
    model.reconstruction = Reconstruction{PatchNorm::patch, sizes.real("mask_ratio", 0.8), false};
  } else if (weights.has("decoder_embed.weight")) {
    model.predictor = read_mae_decoder(weights, sizes);
    model.reconstruction = Reconstruction{PatchNorm::patch, sizes.real("mask_ratio", 0.75), false};
  }
  model.head = read_inner_head(weights, model);
  for (const char* part : kUnused) leave_out(weights, part, model);
}

const char* family_name(Family family) {
  switch (family) {
    case Family::ijepa:
      return "I-JEPA";
    case Family::jepa:
      return "V-JEPA";
    case Family::vjepa2:
      return "V-JEPA 2";
    case Family::vjepa21:
      return "V-JEPA 2.1";
    case Family::dino:
    case Family::timm:
      return "ViT";
    case Family::mae:
      return "MAE";
    case Family::videomae:
      return "VideoMAE";
  }
  return "";
}

}  // namespace

PublishedModel read_original_model(const fs::path& path, bool is_partial) {
  std::optional<fs::path> file, head_file;
  Contents contents, head;
  for (const fs::path& each : files_of(path)) {
    const bool is_safe = each.extension() == ".safetensors";
    Contents found = sort_out(is_safe ? read_safetensors(each).tensors : read_pickled_tensors(each), Sizes(each));
    const bool is_head = !found.head.empty();
    if (is_head ? head_file : file)
      throw DataError(is_head ? "the folder holds two classifiers" : "the folder holds two networks", path.string(),
                      "put one network, and one classifier of it, in a folder of their own");
    (is_head ? head_file : file) = each;
    (is_head ? head : contents) = std::move(found);
  }
  if (!file)
    throw DataError("this is a classifier without its encoder", path.string(),
                    "put both checkpoints in one folder, and name the folder");
  const Sizes sizes(*file);
  const Family family = contents.family;
  PublishedModel model;
  model.format = std::string(family_name(family)) + " checkpoint";
  std::vector<std::string> complaints;
  const auto note = [&](const WeightSource& weights, const char* network) {
    for (const std::string& line : weights.complaints()) complaints.push_back(std::string(network) + ": " + line);
  };
  const std::string prefix = family == Family::videomae ? "encoder." : "";
  WeightSource student(std::move(contents.student));
  model.encoder = read_encoder(student, prefix, family, sizes, model);
  read_rest(student, family, sizes, model);
  note(student, "encoder");
  if (!contents.teacher.empty()) {
    WeightSource teacher(std::move(contents.teacher));
    model.teacher = read_encoder(teacher, prefix, family, sizes, model);
    for (const char* part : kUnused) leave_out(teacher, part, model);
    note(teacher, "teacher");
  }
  if (!contents.predictor.empty()) {
    WeightSource predictor(std::move(contents.predictor));
    model.predictor = read_jepa_predictor(predictor, family, sizes, model);
    note(predictor, "predictor");
  }
  if (head_file) model.head = read_head_alone(head.head, Sizes(*head_file), model);
  model.shows_class_token = model.encoder.weights.contains("class_token");
  settle_complaints(model, complaints, is_partial, file->string());
  return model;
}

bool is_checkpoint_name(const fs::path& path) {
  const std::string name = path.filename().string();
  for (const char* ending : {".pth", ".pth.tar", ".pt", ".safetensors"})
    if (name.ends_with(ending) && name != "case.safetensors") return true;
  return false;
}

}  // namespace cairn

#include "checkpoint/original_models.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>
#include <string_view>
#include <utility>

#include "cairn/error.h"
#include "checkpoint/json_file.h"
#include "checkpoint/original.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/weight_source.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

/// Which repository's layout a file has.
enum class Family : std::uint8_t { ijepa, jepa, vjepa2, vjepa21, dino, mae, videomae };

/// Sizes that checkpoints do not hold, from architecture.json or from the published models.
class Sizes {
 public:
  explicit Sizes(const fs::path& checkpoint) : checkpoint_(checkpoint.string()) {
    const fs::path path = checkpoint.parent_path() / "architecture.json";
    if (fs::exists(path)) file_.emplace(path);
  }

  /// The checkpoint they are for.
  const std::string& checkpoint() const { return checkpoint_; }

  std::int64_t value(const std::string& key, std::int64_t fallback) const {
    return file_ && file_->json().contains(key) ? file_->size(key) : fallback;
  }
  std::string text(const std::string& key) const { return file_ ? file_->value<std::string>(key, "") : ""; }
  /// Of the layer norms: 1e-6 in every repository.
  double epsilon() const { return file_ ? file_->value("norm_epsilon", 1e-6) : 1e-6; }
  bool flag(const std::string& key, bool fallback) const { return file_ ? file_->value(key, fallback) : fallback; }

 private:
  std::string checkpoint_;
  std::optional<JsonFile> file_;
};

/// A file's tensors by network, without the wrappers' prefixes.
struct Contents {
  TensorMap student, teacher, predictor;
  Family family = Family::dino;
};

fs::path file_of(const fs::path& path) {
  if (!fs::is_directory(path)) return path;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(path))
    if (is_checkpoint_name(entry.path())) found.push_back(entry.path());
  if (found.size() != 1)
    throw DataError(fmt::format("the folder must hold one checkpoint, and holds {}", found.size()), path.string(),
                    "checkpoints end with .pth, .pth.tar, .pt or .safetensors");
  return found.front();
}

/// The tensors below `key` ("teacher/"), wrappers taken off their names.
TensorMap below(const TensorMap& all, const std::string& key) {
  static const std::regex wrappers("(module\\.|backbone\\.|_orig_mod\\.)");
  TensorMap found;
  for (auto it = all.lower_bound(key); it != all.end() && it->first.starts_with(key); ++it)
    found[std::regex_replace(it->first.substr(key.size()), wrappers, "")] = it->second;
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
    contents.student = below(all, "encoder/");
    contents.teacher = below(all, has("target_encoder/") ? "target_encoder/" : "ema_encoder/");
    contents.predictor = below(all, "predictor/");
    if (contents.student.empty()) contents.student.swap(contents.teacher);
    contents.family = jepa_family(contents, sizes);
    return contents;
  }
  if (has("teacher/") || has("student/")) {
    contents.student = below(all, has("student/") ? "student/" : "teacher/");
    if (has("student/") && has("teacher/")) contents.teacher = below(all, "teacher/");
    return contents;
  }
  for (const char* key : {"model/", "state_dict/", "module/", ""}) {
    if (!has(key)) continue;
    contents.student = below(all, key);
    const bool is_mae = std::string_view(key) == "model/";
    const bool is_video = contents.student.contains("encoder.patch_embed.proj.weight");
    contents.family = is_video ? Family::videomae : is_mae ? Family::mae : Family::dino;
    return contents;
  }
  return contents;
}

/// Heads of the published encoders of this width.
std::int64_t usual_heads(std::int64_t width, Family family) {
  if (width == 1280) return 16;
  if (width == 1408 && (family == Family::ijepa || family == Family::jepa)) return 16;
  return std::max<std::int64_t>(1, width / 64);
}

Value text(const char* value) { return Value(std::string(value)); }

void add(Value::Table& table, std::initializer_list<std::pair<std::string, Value>> more) {
  table.insert(table.end(), more);
}

/// The name of block `number`, "blocks.3."; DINOv2 may put its chunk before, "blocks.0.3.". Empty where there is none.
std::string block_name(const WeightSource& weights, const std::string& from, std::int64_t number) {
  constexpr int kChunks = 64;
  std::string name = fmt::format("{}{}.", from, number);
  for (int chunk = 0; !weights.has(name + "norm1.weight"); ++chunk) {
    if (chunk == kChunks) return {};
    name = fmt::format("{}{}.{}.", from, chunk, number);
  }
  return name;
}

/// The MLP of a block, SwiGLU where both of its maps are one matrix.
void move_mlp(WeightSource& weights, const std::string& from, const std::string& to, TensorMap& network) {
  if (!weights.has(from + "w12.weight")) {
    weights.move_affine(from + "fc1", network, to + "fc1");
    weights.move_affine(from + "fc2", network, to + "fc2");
    return;
  }
  for (const char* part : {".weight", ".bias"})
    if (const auto both = weights.take(from + "w12" + part)) {
      network[to + "fc1" + part] = both->chunk(2).front();
      network[to + "gate" + part] = both->chunk(2).back();
    }
  weights.move_affine(from + "w3", network, to + "fc2");
}

/// The blocks of a network in timm's words, whose names begin with `from`; how many there are.
std::int64_t move_blocks(WeightSource& weights, const std::string& from, TensorMap& network) {
  std::int64_t depth = 0;
  for (std::string name = block_name(weights, from, 0); !name.empty(); name = block_name(weights, from, ++depth)) {
    const std::string to = fmt::format("blocks.{}.", depth);
    weights.move_affine(name + "norm1", network, to + "norm1");
    weights.move_affine(name + "norm2", network, to + "norm2");
    weights.move_affine(name + "attn.qkv", network, to + "attention.qkv", weights.has(name + "attn.qkv.bias"));
    weights.move_affine(name + "attn.proj", network, to + "attention.projection");
    move_mlp(weights, name + "mlp.", to + "mlp.", network);
    for (const auto& [other, own] :
         {std::pair("attn.q_bias", "attention.query_bias"), std::pair("attn.v_bias", "attention.value_bias"),
          std::pair("ls1.gamma", "scale1"), std::pair("ls2.gamma", "scale2"), std::pair("gamma_1", "scale1"),
          std::pair("gamma_2", "scale2")})
      if (weights.has(name + other)) weights.move(name + other, network, to + own);
  }
  return depth;
}

std::int64_t rows(const TensorMap& network, const std::string& name, std::int64_t fallback) {
  const auto found = network.find(name);
  return found == network.end() || found->second.dim() == 0 ? fallback : found->second.size(0);
}

Value::Table shape_options(const TensorMap& network, std::int64_t width, std::int64_t depth, std::int64_t heads,
                           double epsilon) {
  const bool is_partial = network.contains("blocks.0.attention.query_bias");
  return {{"width", Value(width)},
          {"depth", Value(depth)},
          {"heads", Value(heads)},
          {"mlp_ratio", Value(exact_ratio(rows(network, "blocks.0.mlp.fc1.weight", 4 * width), width))},
          {"qkv_bias", Value(is_partial || network.contains("blocks.0.attention.qkv.bias"))},
          {"key_bias", Value(!is_partial)},
          {"norm_epsilon", Value(epsilon)}};
}

/// The extent of a grid of `count` tokens: time first where there are three axes.
std::vector<std::int64_t> extent_of(std::int64_t count, std::size_t axes, std::int64_t layers) {
  if (axes == 3) {
    std::vector<std::int64_t> extent = extent_of(count / layers, 2, 0);
    extent.insert(extent.begin(), layers);
    return extent;
  }
  const auto side = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(count))));
  if (side * side == count) return {side, side};
  return {count / 8, 8};  // AudioMAE: 1024 frames by 128 mels
}

/// What the tokenizer and the positions say of the views.
void read_views(const at::Tensor& kernel, std::int64_t tokens, Family family, const Sizes& sizes,
                PublishedModel& model) {
  const auto axes = static_cast<std::size_t>(kernel.dim() - 2);
  model.tokenizer.channels = kernel.size(1);
  model.tokenizer.patch = kernel.sizes().slice(2).vec();
  const bool is_sound =
      axes == 2 && kernel.size(1) == 1 && tokens > 0 && extent_of(tokens, 2, 0)[0] != extent_of(tokens, 2, 0)[1];
  model.tokenizer.axes = axes == 3  ? std::vector{Axis::time, Axis::height, Axis::width}
                         : is_sound ? std::vector{Axis::time, Axis::frequency}
                                    : std::vector{Axis::height, Axis::width};
  const std::int64_t patch = model.tokenizer.patch.back();
  const bool is_second = family == Family::vjepa2 || family == Family::vjepa21;
  const std::int64_t side = sizes.value("img_size", 0);
  const std::int64_t frames = sizes.value("num_frames", is_second ? 64 : 16);
  const std::int64_t layers = axes == 3 ? std::max<std::int64_t>(1, frames / model.tokenizer.patch.front()) : 1;
  std::vector<std::int64_t> extent;
  if (side > 0 || tokens == 0) {
    const std::int64_t across = (side > 0 ? side : is_second ? 256 : 224) / patch;
    extent = axes == 3 ? std::vector{layers, across, across} : std::vector{across, across};
  } else {
    extent = extent_of(tokens, axes, layers);
  }
  model.grid = {extent, model.tokenizer.axes};
  if (tokens > 0 && !is_second && model.grid.count() != tokens)
    throw DataError(
        fmt::format("the sizes make {} tokens, and the checkpoint has positions for {}", model.grid.text(), tokens),
        sizes.checkpoint(), "say the sizes in an architecture.json beside it: img_size, num_frames");
}

/// A head, projector or decoder that has no part in the features.
void leave_out(WeightSource& weights, const char* head, PublishedModel& model) {
  const std::size_t count = weights.drop(head);
  if (count > 0) model.gaps.push_back(fmt::format("not read: {} tensors of '{}', no part of the encoder", count, head));
}

/// The norm behind the blocks; V-JEPA 2.1 has four at four depths, the last of which is the output's, and marks clips.
void move_last_norm(WeightSource& weights, const std::string& prefix, Family family, TensorMap& network,
                    PublishedModel& model) {
  if (family != Family::vjepa21) {
    // VideoMAE's classifiers have a norm behind the mean instead.
    if (weights.has(prefix + "norm.weight") || !weights.has("fc_norm.weight"))
      weights.move_affine(prefix + "norm", network, "norm");
    return;
  }
  weights.move_affine(prefix + "norms_block.3", network, "norm");
  if (const auto mark = weights.take(prefix + "video_mod_embed"); mark && network.contains("patch_embed.bias"))
    network["patch_embed.bias"] = network["patch_embed.bias"] + mark->flatten();  // the same vector for every token
  for (const char* rest : {"norms_block.", "patch_embed_img.", "img_mod_embed"}) leave_out(weights, rest, model);
}

/// Class token, registers and mask token, where there are any.
void move_special(WeightSource& weights, const std::string& prefix, Family family, TensorMap& network) {
  if (weights.has(prefix + "cls_token")) weights.move(prefix + "cls_token", network, "class_token");
  for (const char* name : {"register_tokens", "reg_token"})
    if (weights.has(prefix + name)) weights.move(prefix + name, network, "registers");
  if (family == Family::dino && weights.has("mask_token") && !weights.has("decoder_embed.weight"))
    network["mask_token"] = weights.take("mask_token")->reshape({1, 1, -1});
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
  if (family != Family::dino && family != Family::mae && family != Family::videomae) return count;
  if (!network.contains("class_token")) {
    network["positions"] = table;
    return count;
  }
  // timm's models with registers keep no position for the class token.
  const auto is_square = [](std::int64_t n) { return extent_of(n, 2, 0)[0] == extent_of(n, 2, 0)[1]; };
  const bool is_bare = is_square(count) && !is_square(count - 1);
  network["positions"] = is_bare ? at::cat({at::zeros({1, 1, table.size(2)}), table}, 1) : table;
  return is_bare ? count : count - 1;
}

Value::Table encoder_options(const TensorMap& network, Family family, const Sizes& sizes, std::int64_t depth) {
  const std::int64_t width = rows(network, "patch_embed.weight", 0);
  Value::Table options =
      shape_options(network, width, depth, sizes.value("num_heads", usual_heads(width, family)), sizes.epsilon());
  const bool has_class = network.contains("class_token");
  const auto registers = network.find("registers");
  const std::int64_t count = registers == network.end() || registers->second.dim() < 2 ? 0 : registers->second.size(1);
  const bool is_rotary = family == Family::vjepa2 || family == Family::vjepa21;
  const bool is_jepa = family == Family::ijepa || family == Family::jepa;
  const char* positions = network.contains("positions") ? "learned" : is_jepa ? "sincos" : "sinusoid";
  add(options, {{"preset", text("")},
                {"positions", text(is_rotary ? "rotary" : positions)},
                {"position_order", text(family == Family::ijepa ? "xy" : "yx")},
                {"uniform_power", Value(sizes.flag("uniform_power", true))},
                {"rotary_layout", text(family == Family::vjepa2 ? "tiled" : "paired")},
                {"rotary_grid", Value(std::int64_t{family == Family::vjepa21 ? 16 : 0})},
                {"class_token", Value(has_class)},
                {"pool", text(has_class ? "cls" : "mean")},
                {"register_tokens", Value(count)},
                {"resize_antialias", Value(count > 0)},
                {"resize_offset", Value(family == Family::dino && count == 0 ? 0.1 : 0.0)},
                {"mask_token", Value(network.contains("mask_token"))},
                {"gated", Value(network.contains("blocks.0.mlp.gate.weight"))},
                {"layer_scale", Value(network.contains("blocks.0.scale1") ? 1.0 : 0.0)},
                {"last_norm", Value(network.contains("norm.weight"))}});
  return options;
}

/// An encoder; `prefix` is VideoMAE's "encoder.".
PublishedNetwork read_encoder(WeightSource& weights, const std::string& prefix, Family family, const Sizes& sizes,
                              PublishedModel& model) {
  const auto kernel = weights.find(prefix + "patch_embed.proj.weight");
  if (!kernel || kernel->dim() < 3)
    throw DataError("there is no encoder with a patch embedding in this file", sizes.checkpoint(),
                    "it must be a checkpoint of I-JEPA, V-JEPA, DINO, DINOv2, MAE, VideoMAE or AudioMAE, or of timm");
  PublishedNetwork encoder;
  TensorMap& network = encoder.weights;
  weights.move_tokenizer(prefix + "patch_embed.proj", network);
  const std::int64_t depth = move_blocks(weights, prefix + "blocks.", network);
  move_last_norm(weights, prefix, family, network, model);
  move_special(weights, prefix, family, network);
  read_views(*kernel, move_positions(weights, prefix, family, sizes, network), family, sizes, model);
  encoder.options = encoder_options(network, family, sizes, depth);
  return encoder;
}

/// The predictor of I-JEPA, V-JEPA 1 and V-JEPA 2.
PublishedNetwork read_jepa_predictor(WeightSource& weights, Family family, const Sizes& sizes) {
  PublishedNetwork predictor;
  TensorMap& network = predictor.weights;
  weights.move_affine("predictor_embed", network, "embed");
  std::vector<at::Tensor> tokens;
  if (weights.has("mask_token")) tokens.push_back(*weights.take("mask_token"));
  for (std::int64_t i = 0; weights.has(fmt::format("mask_tokens.{}", i)); ++i)
    tokens.push_back(*weights.take(fmt::format("mask_tokens.{}", i)));
  if (!tokens.empty()) network["mask_tokens"] = at::cat(tokens);
  const std::int64_t depth = move_blocks(weights, "predictor_blocks.", network);
  weights.move_affine("predictor_norm", network, "norm");
  weights.move_affine("predictor_proj", network, "project");
  weights.drop("predictor_pos_embed");  // fixed, or unused
  const std::int64_t width = rows(network, "embed.weight", 384), encoder = rows(network, "project.weight", 1024);
  const bool is_second = family == Family::vjepa2;
  const std::int64_t heads = sizes.value(
      "predictor_num_heads", is_second ? std::max<std::int64_t>(1, width / 32) : usual_heads(encoder, family));
  predictor.options = shape_options(network, width, depth, heads, sizes.epsilon());
  add(predictor.options, {{"groups", Value(rows(network, "mask_tokens", 1))},
                          {"positions", text(is_second ? "rotary" : "sincos")},
                          {"position_order", text(family == Family::ijepa ? "xy" : "yx")},
                          {"uniform_power", Value(sizes.flag("uniform_power", true))},
                          {"rotary_layout", text("tiled")}});
  return predictor;
}

/// MAE's decoder: class token, every place, the table of its positions.
PublishedNetwork read_mae_decoder(WeightSource& weights, const Sizes& sizes) {
  PublishedNetwork decoder;
  TensorMap& network = decoder.weights;
  weights.move_affine("decoder_embed", network, "embed");
  weights.move("mask_token", network, "mask_tokens");
  weights.move("decoder_pos_embed", network, "positions");
  const std::int64_t depth = move_blocks(weights, "decoder_blocks.", network);
  weights.move_affine("decoder_norm", network, "norm");
  weights.move_affine("decoder_pred", network, "project");
  const std::int64_t width = rows(network, "embed.weight", 512);
  decoder.options =
      shape_options(network, width, depth, sizes.value("predictor_num_heads", std::max<std::int64_t>(1, width / 32)),
                    sizes.epsilon());
  add(decoder.options, {{"positions", text("learned")}, {"class_token", Value(true)}, {"whole_grid", Value(true)}});
  decoder.output_width = rows(network, "project.weight", 0);
  return decoder;
}

/// VideoMAE's decoder over seen and asked tokens.
PublishedNetwork read_videomae_decoder(WeightSource& weights, const Sizes& sizes) {
  PublishedNetwork decoder;
  TensorMap& network = decoder.weights;
  weights.move("encoder_to_decoder.weight", network, "embed.weight");
  weights.move("mask_token", network, "mask_tokens");
  const std::int64_t depth = move_blocks(weights, "decoder.blocks.", network);
  weights.move_affine("decoder.norm", network, "norm");
  weights.move_affine("decoder.head", network, "project");
  const std::int64_t width = rows(network, "embed.weight", 384);
  decoder.options =
      shape_options(network, width, depth, sizes.value("predictor_num_heads", std::max<std::int64_t>(1, width / 64)),
                    sizes.epsilon());
  add(decoder.options, {{"positions", text("sinusoid")}, {"embed_bias", Value(false)}});
  decoder.output_width = rows(network, "project.weight", 0);
  return decoder;
}

/// What follows the encoder in a file that holds one network.
void read_rest(WeightSource& weights, Family family, const Sizes& sizes, PublishedModel& model) {
  if (family == Family::videomae) {
    model.predictor = read_videomae_decoder(weights, sizes);
    model.reconstruction = Reconstruction{PatchNorm::patch_channel, 0.9, true};
  } else if (weights.has("decoder_blocks.0.attn.relative_position_bias_table")) {
    for (const char* part : {"decoder_", "mask_token"}) leave_out(weights, part, model);  // AudioMAE's Swin blocks
  } else if (weights.has("decoder_embed.weight")) {
    model.predictor = read_mae_decoder(weights, sizes);
    model.reconstruction = Reconstruction{PatchNorm::patch, 0.75, false};
  }
  for (const char* part : {"head.", "fc_norm.", "dino_head.", "ibot_head."}) leave_out(weights, part, model);
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
  const fs::path file = file_of(path);
  const Sizes sizes(file);
  const bool is_safe = file.extension() == ".safetensors";
  const Contents contents = sort_out(is_safe ? read_safetensors(file).tensors : read_pickled_tensors(file), sizes);
  const Family family = contents.family;
  PublishedModel model;
  model.format = std::string(family_name(family)) + " checkpoint";
  std::vector<std::string> complaints;
  const auto note = [&](const WeightSource& weights, const char* network) {
    for (const std::string& line : weights.complaints()) complaints.push_back(std::string(network) + ": " + line);
  };
  const std::string prefix = family == Family::videomae ? "encoder." : "";
  WeightSource student(contents.student);
  model.encoder = read_encoder(student, prefix, family, sizes, model);
  read_rest(student, family, sizes, model);
  note(student, "encoder");
  if (!contents.teacher.empty()) {
    WeightSource teacher(contents.teacher);
    model.teacher = read_encoder(teacher, prefix, family, sizes, model);
    leave_out(teacher, "head.", model);
    note(teacher, "teacher");
  }
  if (!contents.predictor.empty() && family == Family::vjepa21) {
    model.gaps.push_back(fmt::format("not read: {} tensors of the predictor, which has outputs at four depths",
                                     contents.predictor.size()));
  } else if (!contents.predictor.empty()) {
    WeightSource predictor(contents.predictor);
    model.predictor = read_jepa_predictor(predictor, family, sizes);
    note(predictor, "predictor");
  }
  model.shows_class_token = model.encoder.weights.contains("class_token");
  settle_complaints(model, complaints, is_partial, file.string());
  return model;
}

bool is_checkpoint_name(const fs::path& path) {
  const std::string name = path.filename().string();
  for (const char* ending : {".pth", ".pth.tar", ".pt", ".safetensors"})
    if (name.ends_with(ending) && name != "case.safetensors") return true;
  return false;
}

}  // namespace cairn

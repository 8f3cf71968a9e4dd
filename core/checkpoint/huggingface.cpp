#include <ATen/ATen.h>
#include <fmt/format.h>

#include <set>
#include <vector>

#include "cairn/error.h"
#include "checkpoint/json_file.h"
#include "checkpoint/published.h"
#include "checkpoint/safetensors.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

/// The tensors of a folder, handed out by name; what is missing and what is left over is told at the end.
class Weights {
 public:
  explicit Weights(const fs::path& folder) : path_(folder) {
    const fs::path single = folder / "model.safetensors", index = folder / "model.safetensors.index.json";
    if (fs::exists(single) || !fs::exists(index)) {
      tensors_ = read_safetensors(single).tensors;
      return;
    }
    std::set<std::string> shards;
    const JsonFile file(index);
    for (const auto& [name, shard] : file.value("weight_map", std::map<std::string, std::string>()))
      if (shards.insert(shard).second) read_shard(folder, shard);
  }

  bool has(const std::string& name) const { return tensors_.contains(prefix_ + name); }
  /// What every name begins with in models with a head: "ijepa.".
  void set_prefix_before(const std::string& name) {
    for (const auto& [full, tensor] : tensors_)
      if (full.ends_with("." + name)) prefix_ = full.substr(0, full.size() - name.size());
  }
  /// The tensor of this name; an empty one, and a complaint at the end, where there is none.
  at::Tensor take(const std::string& name) {
    auto node = tensors_.extract(prefix_ + name);
    if (!node.empty()) return node.mapped();
    missing_ += "\n  missing: " + prefix_ + name;
    return at::empty({0});
  }
  /// Leaves out tensors that have no part in the features, where there are any.
  void drop(const std::string& head) {
    std::erase_if(tensors_, [&](const auto& entry) { return entry.first.starts_with(prefix_ + head); });
  }
  void finish() const {
    std::string complaint = missing_;
    for (const auto& [name, tensor] : tensors_) complaint += "\n  left over: " + name;
    if (!complaint.empty()) throw DataError("the weights are not those of this model:" + complaint, path_.string());
  }

 private:
  void read_shard(const fs::path& folder, const std::string& shard) {
    if (fs::path(shard).filename() != shard)
      throw DataError("the index names the shard '" + shard + "', which is no plain file name", folder.string());
    for (auto& [name, tensor] : read_safetensors(folder / shard).tensors)
      if (!tensors_.emplace(name, tensor).second)
        throw DataError("several shards have the tensor '" + name + "'", folder.string());
  }

  fs::path path_;
  TensorMap tensors_;
  std::string prefix_, missing_;
};

/// What a family of models calls the parts of a block.
struct BlockNames {
  const char *norm1, *norm2, *attention, *projection, *fc1, *fc2;
};

constexpr BlockNames kVitNames = {"layernorm_before",       "layernorm_after",    "attention.attention",
                                  "attention.output.dense", "intermediate.dense", "output.dense"};
constexpr BlockNames kDinoNames = {"norm1",   "norm2",  "attention.attention", "attention.output.dense",
                                   "mlp.fc1", "mlp.fc2"};

void take_affine(Weights& weights, const std::string& from, const std::string& to, TensorMap& network) {
  for (const char* part : {"weight", "bias"})
    network[fmt::format("{}.{}", to, part)] = weights.take(fmt::format("{}.{}", from, part));
}

/// Query, key and value as one map, [q|k|v].
void take_attention(Weights& weights, const std::string& from, const std::string& to, bool bias, TensorMap& network) {
  std::vector<at::Tensor> matrices, biases;
  for (const char* part : {"query", "key", "value"}) {
    matrices.push_back(weights.take(fmt::format("{}.{}.weight", from, part)));
    if (bias) biases.push_back(weights.take(fmt::format("{}.{}.bias", from, part)));
  }
  network[to + ".weight"] = at::cat(matrices);
  if (bias) network[to + ".bias"] = at::cat(biases);
}

/// DINOv2's SwiGLU keeps both maps in one matrix.
void take_gated(Weights& weights, const std::string& from, const std::string& to, TensorMap& network) {
  for (const char* part : {"weight", "bias"}) {
    const auto halves = weights.take(fmt::format("{}.weights_in.{}", from, part)).chunk(2);
    network[fmt::format("{}.fc1.{}", to, part)] = halves.front();
    network[fmt::format("{}.gate.{}", to, part)] = halves.back();
    network[fmt::format("{}.fc2.{}", to, part)] = weights.take(fmt::format("{}.weights_out.{}", from, part));
  }
}

void take_block(Weights& weights, const BlockNames& names, const std::string& from, const std::string& to, bool bias,
                TensorMap& network) {
  take_affine(weights, from + names.norm1, to + "norm1", network);
  take_affine(weights, from + names.norm2, to + "norm2", network);
  take_attention(weights, from + names.attention, to + "attention.qkv", bias, network);
  take_affine(weights, from + names.projection, to + "attention.projection", network);
  if (weights.has(from + "mlp.weights_in.weight")) return take_gated(weights, from + "mlp", to + "mlp", network);
  take_affine(weights, from + names.fc1, to + "mlp.fc1", network);
  take_affine(weights, from + names.fc2, to + "mlp.fc2", network);
}

void require_gelu(const JsonFile& config) {
  const auto name = config.value<std::string>("hidden_act", "gelu");
  if (name != "gelu")
    throw DataError("the activation is '" + name + "'; only the exact \"gelu\" is read", config.path().string());
}

/// ViT and its kin: learned positions, a class token or none, LayerScale and SwiGLU where the weights have them.
PublishedModel read_vit(const JsonFile& config, Weights& weights, const BlockNames& names) {
  require_gelu(config);
  const std::int64_t width = config.size("hidden_size"), depth = config.size("num_hidden_layers");
  const std::int64_t patch = config.size("patch_size"), side = config.size("image_size");
  const bool bias = config.value("qkv_bias", true);
  PublishedModel model;
  model.tokenizer = {config.value<std::int64_t>("num_channels", 3), {patch, patch}, {Axis::height, Axis::width}};
  model.grid = model.tokenizer.grid({side, side});

  weights.set_prefix_before("embeddings.position_embeddings");
  TensorMap& network = model.encoder.weights;
  const at::Tensor kernel = weights.take("embeddings.patch_embeddings.projection.weight");
  network["patch_embed.weight"] = kernel.dim() > 1 ? kernel.flatten(1) : kernel;
  network["patch_embed.bias"] = weights.take("embeddings.patch_embeddings.projection.bias");
  network["positions"] = weights.take("embeddings.position_embeddings");
  model.shows_class_token = weights.has("embeddings.cls_token");
  if (model.shows_class_token) network["class_token"] = weights.take("embeddings.cls_token");
  const bool mask_token = weights.has("embeddings.mask_token");
  if (mask_token) network["mask_token"] = weights.take("embeddings.mask_token").reshape({1, 1, -1});
  const bool scaled = weights.has("encoder.layer.0.layer_scale1.lambda1");
  const bool gated = weights.has("encoder.layer.0.mlp.weights_in.weight");
  for (std::int64_t i = 0; i < depth; ++i) {
    const std::string from = fmt::format("encoder.layer.{}.", i), to = fmt::format("blocks.{}.", i);
    take_block(weights, names, from, to, bias, network);
    if (!scaled) continue;
    network[to + "scale1"] = weights.take(from + "layer_scale1.lambda1");
    network[to + "scale2"] = weights.take(from + "layer_scale2.lambda1");
  }
  take_affine(weights, "layernorm", "norm", network);
  weights.drop("pooler.");  // comes after the features
  weights.finish();

  const std::int64_t hidden = network["blocks.0.mlp.fc1.weight"].size(0);
  model.encoder.options = {{"preset", Value(std::string())},
                           {"width", Value(width)},
                           {"depth", Value(depth)},
                           {"heads", Value(config.size("num_attention_heads"))},
                           {"mlp_ratio", Value(exact_ratio(hidden, width))},
                           {"positions", Value(std::string("learned"))},
                           {"class_token", Value(model.shows_class_token)},
                           {"pool", Value(std::string(model.shows_class_token ? "cls" : "mean"))},
                           {"mask_token", Value(mask_token)},
                           {"gated", Value(gated)},
                           {"layer_scale", Value(scaled ? 1.0 : 0.0)},
                           {"qkv_bias", Value(bias)},
                           {"norm_epsilon", Value(config.value("layer_norm_eps", 1e-12))}};
  return model;
}

}  // namespace

PublishedModel read_huggingface(const fs::path& folder) {
  const JsonFile config(folder / "config.json");
  Weights weights(folder);
  const auto type = config.value<std::string>("model_type", "");
  PublishedModel model;
  if (type == "ijepa" || type == "vit") {
    model = read_vit(config, weights, kVitNames);
  } else if (type == "dinov2") {
    model = read_vit(config, weights, kDinoNames);
  } else {
    throw DataError("the model type '" + type + "' is not read yet", config.path().string(),
                    "read are: ijepa, vit, dinov2");
  }
  model.format = type + " of transformers";
  return model;
}

}  // namespace cairn

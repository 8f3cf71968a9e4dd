#include "checkpoint/original_keys.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace cairn {
namespace {

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

/// The MLP of a block: SwiGLU with both of its maps in one matrix (DINOv2, timm) or in two (V-JEPA 2), or GELU.
void add_mlp(const WeightSource& weights, const std::string& from, const std::string& to, KeyMap& keys) {
  const bool is_dino = weights.has(from + "w12.weight"), is_apart = weights.has(from + "fc3.weight");
  const std::string in = from + (is_dino ? "w12" : "fc1"), out = from + (is_dino ? "w3" : is_apart ? "fc3" : "fc2");
  const auto last = weights.find(out + ".weight");
  if (last && last->dim() == 2 && last->size(1) > 0 && weights.rows(in + ".weight", 0) == 2 * last->size(1)) {
    for (const std::string part : {".weight", ".bias"}) keys.split(in + part, {to + "fc1" + part, to + "gate" + part});
  } else {
    keys.affine(in, to + "fc1");
  }
  if (is_apart) keys.affine(from + "fc2", to + "gate");
  keys.affine(out, to + "fc2");
}

/// Adds what there is of these pairs of names.
void add_present(const WeightSource& weights, const std::string& from, const std::string& to,
                 std::initializer_list<std::pair<const char*, const char*>> names, KeyMap& keys) {
  for (const auto& [other, own] : names)
    if (weights.has(from + other)) keys.same(from + other, to + own);
}

/// The blocks of a network whose names begin with `from`; how many there are.
std::int64_t add_blocks(const WeightSource& weights, const std::string& from, KeyMap& keys,
                        const std::string& to_all = "blocks.") {
  std::int64_t depth = 0;
  for (std::string name = block_name(weights, from, 0); !name.empty(); name = block_name(weights, from, ++depth)) {
    const std::string to = fmt::format("{}{}.", to_all, depth);
    keys.affine(name + "norm1", to + "norm1");
    keys.affine(name + "norm2", to + "norm2");
    keys.affine(name + "attn.qkv", to + "attention.qkv", weights.has(name + "attn.qkv.bias"));
    keys.affine(name + "attn.proj", to + "attention.projection");
    add_mlp(weights, name + "mlp.", to + "mlp.", keys);
    add_present(weights, name, to,
                {{"attn.q_bias", "attention.query_bias"},
                 {"attn.v_bias", "attention.value_bias"},
                 {"ls1.gamma", "scale1"},
                 {"ls2.gamma", "scale2"},
                 {"gamma_1", "scale1"},
                 {"gamma_2", "scale2"}},
                keys);
  }
  return depth;
}

/// The norm behind the blocks. V-JEPA 2.1 has one for each level, the last of which is the output's; VideoMAE's
/// classifiers have one behind the mean instead.
void add_norms(const WeightSource& weights, const std::string& prefix, KeyMap& keys) {
  std::int64_t levels = 0;
  while (weights.has(fmt::format("{}norms_block.{}.weight", prefix, levels))) ++levels;
  for (std::int64_t i = 0; i + 1 < levels; ++i)
    keys.affine(fmt::format("{}norms_block.{}", prefix, i), fmt::format("level_norms.{}", i));
  if (levels > 0) return keys.affine(fmt::format("{}norms_block.{}", prefix, levels - 1), "norm");
  if (weights.has(prefix + "norm.weight") || !weights.has("fc_norm.weight")) keys.affine(prefix + "norm", "norm");
}

/// A linear map before and behind the blocks.
void add_ends(const std::string& embed, const std::string& norm, const std::string& project, KeyMap& keys) {
  keys.affine(embed, "embed");
  keys.affine(norm, "norm");
  keys.affine(project, "project");
}

}  // namespace

TimmKeys timm_encoder_keys(const WeightSource& weights, const std::string& prefix, const TokenizerSpec& tokenizer,
                           std::int64_t width) {
  TimmKeys found;
  KeyMap& keys = found.keys;
  keys.tokenizer(prefix + "patch_embed.proj", tokenizer, width, "patch_embed");
  if (weights.has(prefix + "patch_embed_img.proj.weight")) {
    TokenizerSpec picture = tokenizer;
    picture.patch.front() = 1;
    keys.tokenizer(prefix + "patch_embed_img.proj", picture, width, "picture_embed");
  }
  found.depth = add_blocks(weights, prefix + "blocks.", keys);
  add_norms(weights, prefix, keys);
  add_present(weights, prefix, "",
              {{"cls_token", "class_token"},
               {"register_tokens", "registers"},
               {"reg_token", "registers"},
               {"img_mod_embed", "picture_mark"},
               {"video_mod_embed", "clip_mark"}},
              keys);
  return found;
}

TimmKeys jepa_predictor_keys(const WeightSource& weights) {
  TimmKeys found;
  KeyMap& keys = found.keys;
  const bool is_fused = weights.has("predictor_embed.0.weight");
  if (is_fused) keys.affine("predictor_embed.0", "fuse");
  add_ends(is_fused ? "predictor_embed.2" : "predictor_embed", "predictor_norm", "predictor_proj", keys);
  if (weights.has("predictor_proj_context.weight")) keys.affine("predictor_proj_context", "project_seen");
  add_present(weights, "", "",
              {{"mask_token", "mask_tokens"}, {"img_mod_embed", "picture_mark"}, {"video_mod_embed", "clip_mark"}},
              keys);
  std::vector<std::string> tokens;
  while (weights.has(fmt::format("mask_tokens.{}", tokens.size())))
    tokens.push_back(fmt::format("mask_tokens.{}", tokens.size()));
  if (!tokens.empty()) keys.joined(std::move(tokens), "mask_tokens");
  found.depth = add_blocks(weights, "predictor_blocks.", keys);
  return found;
}

TimmKeys original_mae_decoder_keys(const WeightSource& weights) {
  TimmKeys found;
  add_ends("decoder_embed", "decoder_norm", "decoder_pred", found.keys);
  found.keys.same("mask_token", "mask_tokens");
  found.depth = add_blocks(weights, "decoder_blocks.", found.keys);
  return found;
}

TimmKeys original_videomae_decoder_keys(const WeightSource& weights) {
  TimmKeys found;
  KeyMap& keys = found.keys;
  keys.same("encoder_to_decoder.weight", "embed.weight");
  keys.same("mask_token", "mask_tokens");
  found.depth = add_blocks(weights, "decoder.blocks.", keys);
  keys.affine("decoder.norm", "norm");
  keys.affine("decoder.head", "project");
  return found;
}

TimmKeys audiomae_decoder_keys(const WeightSource& weights) {
  TimmKeys found = original_mae_decoder_keys(weights);
  for (std::int64_t i = 0; i < found.depth; ++i) {
    const std::string from = fmt::format("decoder_blocks.{}.attn.", i), to = fmt::format("blocks.{}.attention.", i);
    found.keys.same(from + "tau", to + "temperature");
    found.keys.affine(from + "meta_mlp.fc1", to + "distance1");
    found.keys.affine(from + "meta_mlp.fc2", to + "distance2");
  }
  return found;
}

TimmKeys attentive_probe_keys(const WeightSource& weights) {
  TimmKeys found;
  KeyMap& keys = found.keys;
  const std::string from = "pooler.cross_attention_block.";
  keys.same("pooler.query_tokens", "pooler.queries");
  keys.affine(from + "norm1", "pooler.norm1");
  keys.affine(from + "norm2", "pooler.norm2");
  keys.affine(from + "xattn.q", "pooler.attention.query");
  keys.affine(from + "xattn.kv", "pooler.attention.key_value");
  if (weights.has(from + "xattn.proj.weight")) keys.affine(from + "xattn.proj", "pooler.attention.projection");
  keys.affine(from + "mlp.fc1", "pooler.mlp.fc1");
  keys.affine(from + "mlp.fc2", "pooler.mlp.fc2");
  found.depth = add_blocks(weights, "pooler.blocks.", keys, "pooler.blocks.");
  keys.affine("linear", "classifier");
  return found;
}

}  // namespace cairn

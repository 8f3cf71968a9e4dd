#include "checkpoint/huggingface_tables.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <vector>

namespace cairn {
namespace {

void add_attention(KeyMap& keys, const BlockFacts& facts, const BlockNames& names, const std::string& from,
                   const std::string& to) {
  const auto three = [&](const char* part) {
    return std::vector{from + names.query + part, from + names.key + part, from + names.value + part};
  };
  keys.joined(three(".weight"), to + "attention.qkv.weight");
  if (facts.biases == Biases::all) keys.joined(three(".bias"), to + "attention.qkv.bias");
  if (facts.biases != Biases::query_value) return;
  const std::string query = from + names.query, parent = query.substr(0, query.rfind('.') + 1);
  keys.same(facts.biases_beside ? parent + "q_bias" : query + ".bias", to + "attention.query_bias");
  keys.same(facts.biases_beside ? parent + "v_bias" : from + names.value + ".bias", to + "attention.value_bias");
}

/// DINOv2's SwiGLU keeps both maps in one matrix.
void add_gated(KeyMap& keys, const std::string& from, const std::string& to) {
  for (const char* kind : {".weight", ".bias"}) {
    keys.split(from + ".weights_in" + kind, {to + ".fc1" + kind, to + ".gate" + kind});
    keys.same(from + ".weights_out" + kind, to + ".fc2" + kind);
  }
}

void add_block(KeyMap& keys, const BlockFacts& facts, const BlockNames& names, const std::string& from,
               const std::string& to) {
  keys.affine(from + names.norm1, to + "norm1");
  keys.affine(from + names.norm2, to + "norm2");
  add_attention(keys, facts, names, from, to);
  keys.affine(from + names.projection, to + "attention.projection");
  if (facts.scaled) {
    keys.same(from + "layer_scale1.lambda1", to + "scale1");
    keys.same(from + "layer_scale2.lambda1", to + "scale2");
  }
  if (facts.gated) return add_gated(keys, from + "mlp", to + "mlp");
  keys.affine(from + names.fc1, to + "mlp.fc1");
  keys.affine(from + names.fc2, to + "mlp.fc2");
}

/// The blocks: `to` + "3." of the network is `from` + "3." of the file.
void add_blocks(KeyMap& keys, const BlockFacts& facts, const BlockNames& names, const std::string& from,
                const std::string& to = "blocks.") {
  for (std::int64_t i = 0; i < facts.depth; ++i)
    add_block(keys, facts, names, fmt::format("{}{}.", from, i), fmt::format("{}{}.", to, i));
}

}  // namespace

BlockFacts block_facts(const TensorMap& weights) {
  BlockFacts facts;
  while (weights.contains(fmt::format("blocks.{}.norm1.weight", facts.depth))) ++facts.depth;
  if (const auto found = weights.find("blocks.0.mlp.fc1.weight"); found != weights.end())
    facts.hidden = found->second.size(0);
  facts.biases = weights.contains("blocks.0.attention.qkv.bias")     ? Biases::all
                 : weights.contains("blocks.0.attention.query_bias") ? Biases::query_value
                                                                     : Biases::none;
  facts.scaled = weights.contains("blocks.0.scale1");
  facts.gated = weights.contains("blocks.0.mlp.gate.weight");
  return facts;
}

KeyMap vit_keys(const VitFacts& facts) {
  KeyMap keys;
  const std::string from = facts.prefix + "embeddings.";
  keys.tokenizer(from + "patch_embeddings.projection", facts.tokenizer, facts.width, "patch_embed");
  keys.same(from + "position_embeddings", "positions");
  if (facts.class_token) keys.same(from + "cls_token", "class_token");
  if (facts.registers) keys.same(from + "register_tokens", "registers");
  const std::vector<std::int64_t> token = {1, 1, facts.width}, row = {1, facts.width};
  if (facts.mask_token) keys.reshaped(from + "mask_token", facts.is_dino ? row : token, "mask_token", token);
  add_blocks(keys, facts.blocks, facts.is_dino ? kDinoNames : kVitNames, facts.prefix + "encoder.layer.");
  keys.affine(facts.prefix + "layernorm", "norm");
  return keys;
}

KeyMap mae_decoder_keys(const BlockFacts& blocks, const std::string& from) {
  KeyMap keys;
  keys.affine("decoder.decoder_embed", "embed");
  keys.same("decoder.mask_token", "mask_tokens");
  keys.same("decoder.decoder_pos_embed", "positions");
  add_blocks(keys, blocks, kVitNames, from);
  keys.affine("decoder.decoder_norm", "norm");
  keys.affine("decoder.decoder_pred", "project");
  return keys;
}

KeyMap videomae_keys(const std::string& prefix, const TokenizerSpec& tokenizer, std::int64_t width,
                     const BlockFacts& blocks, bool has_norm) {
  KeyMap keys;
  keys.tokenizer(prefix + "embeddings.patch_embeddings.projection", tokenizer, width, "patch_embed");
  add_blocks(keys, blocks, kVitNames, prefix + "encoder.layer.");
  if (has_norm) keys.affine(prefix + "layernorm", "norm");
  return keys;
}

KeyMap videomae_decoder_keys(const BlockFacts& blocks) {
  KeyMap keys;
  keys.same("encoder_to_decoder.weight", "embed.weight");
  keys.same("mask_token", "mask_tokens");
  add_blocks(keys, blocks, kVitNames, "decoder.decoder_layers.");
  keys.affine("decoder.norm", "norm");
  keys.affine("decoder.head", "project");
  return keys;
}

KeyMap vjepa2_keys(const std::string& prefix, const TokenizerSpec& tokenizer, std::int64_t width,
                   const BlockFacts& blocks) {
  KeyMap keys;
  keys.tokenizer(prefix + "encoder.embeddings.patch_embeddings.proj", tokenizer, width, "patch_embed");
  add_blocks(keys, blocks, kJepaNames, prefix + "encoder.layer.");
  keys.affine(prefix + "encoder.layernorm", "norm");
  return keys;
}

KeyMap vjepa2_predictor_keys(const std::string& prefix, std::int64_t width, std::int64_t groups,
                             const BlockFacts& blocks) {
  KeyMap keys;
  const std::string from = prefix + "predictor.";
  keys.affine(from + "embeddings.predictor_embeddings", "embed");
  keys.reshaped(from + "embeddings.mask_tokens", {groups, 1, 1, width}, "mask_tokens", {groups, 1, width});
  add_blocks(keys, blocks, kJepaNames, from + "layer.");
  keys.affine(from + "layernorm", "norm");
  keys.affine(from + "proj", "project");
  return keys;
}

KeyMap vjepa2_head_keys(std::int64_t depth) {
  KeyMap keys;
  const std::string from = "pooler.cross_attention_layer.";
  keys.same("pooler.query_tokens", "pooler.queries");
  keys.affine(from + "layer_norm1", "pooler.norm1");
  keys.affine(from + "layer_norm2", "pooler.norm2");
  keys.affine(from + "cross_attn.q_proj", "pooler.attention.query");
  for (const std::string part : {".weight", ".bias"})
    keys.joined({from + "cross_attn.k_proj" + part, from + "cross_attn.v_proj" + part},
                "pooler.attention.key_value" + part);
  keys.affine(from + "mlp.fc1", "pooler.mlp.fc1");
  keys.affine(from + "mlp.fc2", "pooler.mlp.fc2");
  add_blocks(keys, {depth}, kPoolerNames, "pooler.self_attention_layers.", "pooler.blocks.");
  keys.affine("classifier", "classifier");
  return keys;
}

}  // namespace cairn

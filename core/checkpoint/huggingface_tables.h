#pragma once

#include <cstdint>
#include <string>

#include "cairn/token_grid.h"
#include "checkpoint/huggingface_names.h"
#include "checkpoint/key_map.h"

namespace cairn {

// Which tensors of transformers' classes are which of a network. Readers and writers use the same tables.

/// What decides which tensors the blocks of a transformer have.
struct BlockFacts {
  std::int64_t depth = 0;
  std::int64_t hidden = 0;  // width of its MLPs
  Biases biases = Biases::all;
  bool scaled = false, gated = false;
  bool biases_beside = true;  // of queries and values alone: beside the maps, not in them
};

/// Read off a network's weights ("blocks.0.…").
BlockFacts block_facts(const TensorMap& weights);

/// ViT and its kin: IJepaModel, ViTModel, Dinov2Model, and the encoder of ViTMAEForPreTraining.
struct VitFacts {
  std::string prefix;  // "vit." in models with a head
  TokenizerSpec tokenizer;
  std::int64_t width = 0;
  BlockFacts blocks;
  bool is_dino = false;  // DINOv2's names, and its shape of the mask token
  bool class_token = false, registers = false, mask_token = false;
};
KeyMap vit_keys(const VitFacts& facts);

/// The decoder of ViTMAEForPreTraining, whose blocks' names begin with `from`.
KeyMap mae_decoder_keys(const BlockFacts& blocks, const std::string& from = "decoder.decoder_layers.");

/// VideoMAEForPreTraining: encoder and decoder.
KeyMap videomae_keys(const std::string& prefix, const TokenizerSpec& tokenizer, std::int64_t width,
                     const BlockFacts& blocks, bool has_norm);
KeyMap videomae_decoder_keys(const BlockFacts& blocks);

/// VJEPA2Model: encoder, and a predictor of `width` with `groups` mask tokens.
KeyMap vjepa2_keys(const std::string& prefix, const TokenizerSpec& tokenizer, std::int64_t width,
                   const BlockFacts& blocks);
KeyMap vjepa2_predictor_keys(const std::string& prefix, std::int64_t width, std::int64_t groups,
                             const BlockFacts& blocks);

/// The attentive pooler and classifier of VJEPA2ForVideoClassification.
KeyMap vjepa2_head_keys(std::int64_t depth);

}  // namespace cairn

#pragma once

#include <cstdint>
#include <string>

#include "cairn/token_grid.h"
#include "checkpoint/key_map.h"
#include "checkpoint/weight_source.h"

namespace cairn {

// Which tensors of the papers' repositories are which of a network. All but the Swin blocks of AudioMAE are in timm's
// words; which variant a file has is read off its names.

/// Keys of a transformer, and how many blocks it has.
struct TimmKeys {
  KeyMap keys;
  std::int64_t depth = 0;
};

/// An encoder, "patch_embed.proj" and all behind `prefix`, but for its positions and its mask token. V-JEPA 2.1 has
/// norms at several depths, a tokenizer for pictures, and marks for pictures and clips.
TimmKeys timm_encoder_keys(const WeightSource& weights, const std::string& prefix, const TokenizerSpec& tokenizer,
                           std::int64_t width);

/// The predictor of I-JEPA and every V-JEPA.
TimmKeys jepa_predictor_keys(const WeightSource& weights);

/// The decoders of MAE, of VideoMAE, and of AudioMAE with Swin blocks; MAE's and AudioMAE's without their positions.
TimmKeys original_mae_decoder_keys(const WeightSource& weights);
TimmKeys original_videomae_decoder_keys(const WeightSource& weights);
TimmKeys audiomae_decoder_keys(const WeightSource& weights);

/// V-JEPA's attentive probe.
TimmKeys attentive_probe_keys(const WeightSource& weights);

}  // namespace cairn

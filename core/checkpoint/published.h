#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "cairn/nn/activation.h"
#include "cairn/nn/attentive_pooler.h"
#include "cairn/options.h"
#include "cairn/token_grid.h"

namespace cairn {

/// A network as its weights and what they belong to. Without a component, any whose schema takes these options, and
/// whose parameters have these names and shapes, is this network. Names are those of cairn/nn
/// ("blocks.0.attention.qkv.weight").
struct PublishedNetwork {
  Value::Table options;
  std::map<std::string, at::Tensor> weights;
  std::int64_t output_width = 0;  // of a predictor; 0: that of its input
  std::string component;          // "transformer.vit"; empty in formats that know no components
  std::int64_t input_width = 0;   // of a predictor; 0: that of the encoder
};

/// The modality that prepares samples for a network. Without a component, any that takes these options.
struct PublishedData {
  std::string component;
  Value::Table options;
};

/// What a head looks at: one token (the class token, else the first patch) of the last `blocks` blocks, the mean of the
/// patches, both side by side, or all of them by attention.
enum class HeadInput : std::uint8_t { first, mean, first_and_mean, attentive };

/// What a published model puts behind its encoder: "linear", and "norm" before it where there is one; with attentive
/// input the parameters of nn::AttentiveClassifier.
struct PublishedHead {
  HeadInput input = HeadInput::first;
  std::int64_t blocks = 1;
  double epsilon = 1e-5;                             // of the norm
  bool is_pooler = false;                            // an activation behind the linear map; its output is no logits
  nn::Activation activation = nn::Activation::tanh;  // of a pooler
  nn::AttentivePoolerOptions pooler;
  std::map<std::string, at::Tensor> weights;
};

/// How the targets of a masked autoencoder are standardised: not at all, over all values of a patch with 1e-6 inside
/// the root (MAE), or over each channel of it with 1e-6 outside (VideoMAE).
enum class PatchNorm : std::uint8_t { none, patch, patch_channel };

/// What the predictor of a masked autoencoder was trained to give.
struct Reconstruction {
  PatchNorm norm = PatchNorm::none;
  double mask_ratio = 0.0;
  bool is_unnormalised = false;  // pixels turned back from ImageNet's statistics first
};

/// A published checkpoint: what its networks are and what they were made for.
struct PublishedModel {
  std::string format;  // "ijepa of transformers"
  TokenizerSpec tokenizer;
  TokenGrid grid;                  // of the views it was made for
  bool shows_class_token = false;  // its output has the class token, and registers, before the patches
  PublishedNetwork encoder;        // the student, where there are two
  std::optional<PublishedNetwork> teacher, predictor, projector;
  std::optional<PublishedData> data;
  std::string data_fault;  // why there is no `data` though the checkpoint says how samples are prepared
  std::optional<PublishedHead> head;
  std::optional<Reconstruction> reconstruction;
  /// What was not read: parts without a place in these networks, and with a partial load each name that was missing or
  /// left over.
  std::vector<std::string> gaps;
  bool is_partial = false;  // parameters without weights keep their initial values
};

/// Reads a Hugging Face folder: config.json and model.safetensors or pytorch_model.bin, one file or shards with an
/// index. Knows the model types ijepa, vit, vit_msn, dinov2, dinov2_with_registers, vit_mae, videomae and vjepa2.
/// DataError for other models, and with every name that is missing or left over, unless `is_partial`.
CAIRN_API PublishedModel read_huggingface(const std::filesystem::path& folder, bool is_partial = false);

/// Whether the folder has transformers' weights as a pickle, whole or in shards.
CAIRN_API bool holds_bin(const std::filesystem::path& folder);

/// A ratio that gives exactly `hidden` when an integer `width` times it is cut to an integer.
CAIRN_API double exact_ratio(std::int64_t hidden, std::int64_t width);

}  // namespace cairn

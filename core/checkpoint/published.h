#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "cairn/export.h"
#include "cairn/options.h"
#include "cairn/token_grid.h"

namespace cairn {

/// A network of a published checkpoint. It names no component: any whose schema takes these options, and whose
/// parameters have these names and shapes, is this network. Names are those of cairn/nn
/// ("blocks.0.attention.qkv.weight").
struct PublishedNetwork {
  Value::Table options;
  std::map<std::string, at::Tensor> weights;
};

/// A published checkpoint: what its networks are and what they were made for.
struct PublishedModel {
  std::string format;  // "ijepa of transformers"
  TokenizerSpec tokenizer;
  TokenGrid grid;                  // of the views it was made for
  bool shows_class_token = false;  // its output has the class token before the patches
  PublishedNetwork encoder;        // the student, where there are two
  std::optional<PublishedNetwork> teacher, predictor;
};

/// Reads a Hugging Face folder: config.json and model.safetensors, one file or shards with an index. Knows the model
/// types ijepa, vit and dinov2. DataError for other models, and with every name that is missing or left over.
CAIRN_API PublishedModel read_huggingface(const std::filesystem::path& folder);

/// Reads a published training checkpoint, the only .pth.tar of the folder, with the sizes it does not hold from
/// architecture.json. DataError if they do not fit.
CAIRN_API PublishedModel read_original_folder(const std::filesystem::path& folder);

/// A ratio that gives exactly `hidden` when an integer `width` times it is cut to an integer.
CAIRN_API double exact_ratio(std::int64_t hidden, std::int64_t width);

}  // namespace cairn

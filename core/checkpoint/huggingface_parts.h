#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/nn/activation.h"
#include "cairn/options.h"
#include "cairn/token_grid.h"
#include "checkpoint/huggingface.h"
#include "checkpoint/huggingface_tables.h"
#include "checkpoint/json_file.h"
#include "checkpoint/safetensors.h"

namespace cairn {

/// Adds a network's tensors to the files by their names there. Error if one is missing, or has no place in class `type`
/// and `partial` does not let it be skipped.
void add_network(const KeyMap& keys, const TensorMap& network, const std::string& type, const std::string& format,
                 bool partial, HuggingFaceFiles& files);

/// The heads of a network's attention; Error where its options do not say.
std::int64_t heads_of(const PublishedNetwork& network, const std::string& format);

/// The activation that config.json names by `key`, or `usual`; DataError for one that Cairn has not.
nn::Activation read_activation(const JsonFile& config, const char* key, nn::Activation usual);

/// Makes it the option of a network's MLPs.
void set_activation(nn::Activation activation, Value::Table& options);

/// What transformers calls the activation in a network's MLPs.
std::string activation_of(const PublishedNetwork& network);

/// One number where all are alike, as transformers writes it.
nlohmann::ordered_json side(const std::vector<std::int64_t>& sizes);

/// What config.json keeps of a network that Cairn wrote.
nlohmann::ordered_json own_facts(const PublishedNetwork& network);

/// The width of a vision transformer; Error for other networks.
std::int64_t width_of(const PublishedModel& model);

/// The fixed sine-cosine positions these options give, as a learned table [1,N,D]; a class token has the position zero.
at::Tensor fixed_table(const Value::Table& options, const TokenGrid& grid, std::int64_t width, bool class_token);

/// Whether the options ask for that table.
bool has_fixed_table(const Value::Table& options);

/// The folder's files for the classes of transformers that hold encoder and predictor: VJEPA2Model,
/// VideoMAEForPreTraining and ViTMAEForPreTraining. Errors as make_huggingface().
HuggingFaceFiles make_vjepa2(const PublishedModel& model, bool partial);
HuggingFaceFiles make_videomae(const PublishedModel& model, bool partial);
HuggingFaceFiles make_vit_mae(const PublishedModel& model, bool partial);

/// Whether the predictor is MAE's decoder: class token, and every place of the grid in its order.
bool has_mae_decoder(const PublishedModel& model);

}  // namespace cairn

#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "checkpoint/json_file.h"
#include "checkpoint/published.h"
#include "checkpoint/safetensors.h"

namespace cairn {

/// What a Hugging Face folder holds.
struct HuggingFaceFiles {
  nlohmann::ordered_json config;
  nlohmann::ordered_json own;  // goes into config.json as "cairn": the component and its options
  TensorMap tensors;
  std::vector<std::string> skipped;  // tensors of the network that the class has no place for, if it may go without
  bool has_predictor = false;
};

/// The folder's files for the class of transformers that computes the same features as the model's encoder: IJepaModel,
/// ViTModel or Dinov2Model; with the predictor VJEPA2Model, VideoMAEForPreTraining or ViTMAEForPreTraining. Error, in a
/// sentence, where no class can; tensors without a place are an error too, or listed in `skipped` if `partial`.
CAIRN_API HuggingFaceFiles make_huggingface(const PublishedModel& model, bool partial);

/// Brings back what config.json says of a network that Cairn wrote. Fixed positions are taken for fixed only if the
/// table is still theirs.
void restore_own(const JsonFile& config, PublishedModel& model);

}  // namespace cairn

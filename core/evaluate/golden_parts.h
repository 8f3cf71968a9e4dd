#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "cairn/options.h"
#include "checkpoint/safetensors.h"

namespace cairn {

class PluginLoader;

/// The component a case.toml names. `file` is the input, where it is no tensor.
struct GoldenComponent {
  std::string kind, name;
  Value::Table options;
  std::filesystem::path file;
};

/// The tensors that go into a golden case: names without their first part.
struct GoldenInputs {
  TensorMap inputs;  // of "input.*"
  TensorMap states;  // of "state.*"

  /// The input of this name; Error if the case has none.
  const at::Tensor& input(const std::string& name) const;
};

/// What a case computed, under the names that "expect." has, and what computed it.
struct GoldenOutputs {
  std::string subject;
  TensorMap tensors;
};

/// Loss and gradients of an objective. Token cases have `prediction` and `target` [B,K,D], pooled ones `online.k` and
/// `target.k` [B,D] for the views k: online a answers every query about another view b that has a target. States, and
/// inputs of other names, are the objective's buffers of these names.
GoldenOutputs run_golden_objective(const GoldenComponent& component, const GoldenInputs& inputs, PluginLoader& loader);

/// `view`: what a modality makes of the case's only input tensor, which stands for one sample as loaded, without its
/// channel; or, without such a tensor, of the only sample of the data whose option `path` is `file`.
GoldenOutputs run_golden_modality(const GoldenComponent& component, const GoldenInputs& inputs, PluginLoader& loader);

/// A published checkpoint: a Hugging Face folder, or a training checkpoint with its architecture.json.
GoldenOutputs run_golden_checkpoint(const std::filesystem::path& folder, const GoldenInputs& inputs,
                                    PluginLoader& loader);

}  // namespace cairn

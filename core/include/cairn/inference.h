#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// Features of a batch.
struct ModelFeatures {
  at::Tensor last_hidden_state;    // float [B,N,D], class token first where the model has one
  at::Tensor pooled;               // float [B,D]
  std::vector<at::Tensor> layers;  // [B,N,D] each, of the blocks asked for
};

/// How a model is loaded.
struct ModelOptions {
  std::string weights;                             // "student" or "teacher"; empty: the teacher where there is one
  std::string device = "cpu";                      // "cpu", "cuda" or "cuda:1"
  std::vector<std::int64_t> layers;                // blocks whose outputs are wanted too, from 0, ascending
  std::vector<std::filesystem::path> plugin_path;  // searched first, before CAIRN_PLUGIN_PATH
};

/// A trained encoder for use in another program: what `cairn convert` wrote, a run, or a published checkpoint. Not for
/// several threads at once.
class CAIRN_API Model {
 public:
  /// Error, DataError or PluginError, in a sentence, where it cannot be loaded.
  explicit Model(const std::filesystem::path& source, const ModelOptions& options = {});
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  /// Features of prepared data: pictures [B,C,H,W], clips [B,C,T,H,W] or spectrograms [B,C,T,F], float.
  ModelFeatures operator()(const at::Tensor& data) const;
  /// Features of a file: a picture, clip or sound, prepared as in training, or tensors as `cairn extract --input` takes
  /// them. DataError where it cannot be read.
  ModelFeatures operator()(const std::filesystem::path& file) const;

  std::int64_t width() const;
  /// Shape [C,...] of one sample as it was trained on.
  std::vector<std::int64_t> input_shape() const;
  /// What was loaded, in lines for people.
  std::string report() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace cairn

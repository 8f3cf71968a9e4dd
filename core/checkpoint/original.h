#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// The networks of a published `.pth.tar` training checkpoint (I-JEPA, V-JEPA 1), under Cairn's names: what
/// transformer.vit and transformer.narrow call their parameters.
struct OriginalCheckpoint {
  std::map<std::string, at::Tensor> student;    // "encoder" of the file
  std::map<std::string, at::Tensor> teacher;    // "target_encoder"; empty where the file has none
  std::map<std::string, at::Tensor> predictor;  // empty where the file has none
  std::vector<std::int64_t> patch;              // extent along every axis: {16, 16}, or {2, 16, 16}
  std::int64_t channels = 3;
  std::int64_t width = 0;
  std::int64_t depth = 0;
  std::int64_t tokens = 0;  // number of positions of the encoder's table; 0 where it has none
};

/// Every tensor of a PyTorch zip pickle by its full name, dictionaries joined by '/': "encoder/module.norm.weight".
/// No code is run. DataError, in one sentence, for a file that is no such archive, or that asks for anything but
/// tensors, numbers, strings, lists and dictionaries.
CAIRN_API std::map<std::string, at::Tensor> read_pickled_tensors(const std::filesystem::path& path);

/// Reads a published checkpoint. The fixed position tables are dropped after a check of their shape. DataError that
/// lists every name that belongs to no known part of these models.
CAIRN_API OriginalCheckpoint read_original(const std::filesystem::path& path);

}  // namespace cairn

#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>

#include "cairn/export.h"

namespace cairn {

/// Every tensor of a PyTorch zip pickle by its full name, dictionaries joined by '/': "encoder/module.norm.weight".
/// No code is run. DataError, in one sentence, for a file that is no such archive, or that asks for anything but
/// tensors, numbers, strings, lists and dictionaries.
CAIRN_API std::map<std::string, at::Tensor> read_pickled_tensors(const std::filesystem::path& path);

}  // namespace cairn

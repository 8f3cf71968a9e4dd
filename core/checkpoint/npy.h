#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// The header of a .npy file of version 1.0 for rows of `shape`. ConfigError, naming the tensor, for a type that numpy
/// lacks.
std::string npy_header(at::ScalarType type, const std::string& name, std::int64_t rows,
                       const std::vector<std::int64_t>& shape);

/// Reads a .npy file of version 1 or 2, little-endian and row-major. DataError, in a sentence, for any other file.
CAIRN_API at::Tensor read_npy(const std::filesystem::path& path);

}  // namespace cairn

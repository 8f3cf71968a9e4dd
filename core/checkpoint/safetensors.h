#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cairn/export.h"

namespace cairn {

class FileWriter;

using TensorMap = std::map<std::string, at::Tensor>;

/// What a safetensors file holds: tensors by name, and its `__metadata__` strings.
struct SafetensorsFile {
  TensorMap tensors;
  std::map<std::string, std::string> metadata;
  /// Gives the memory of what was read so far back to the system; the tensors are read from the file again when they
  /// are used. For files whose tensors nobody has written to.
  std::function<void()> release_pages;
};

/// A tensor that is yet to be written.
struct TensorShape {
  at::ScalarType type;
  std::vector<std::int64_t> shape;
};

/// Maps a safetensors file into memory. The tensors are CPU views that keep the mapping alive; writing to one changes
/// this process's copy only (clone() to be independent of the file). The file must not be truncated meanwhile: replace
/// it by renaming, as the writers here do. Throws Error, in one sentence, for anything but a well-formed file.
CAIRN_API SafetensorsFile read_safetensors(const std::filesystem::path& path);

/// Calls `visit` with each tensor in the file's order and gives its memory back to the system afterwards, so that
/// loading takes little more memory than what the caller copies. The views must not be written to or kept.
CAIRN_API void visit_safetensors(const std::filesystem::path& path,
                                 const std::function<void(const std::string& name, const at::Tensor& view)>& visit);

/// Writes tensors of any device, one at a time, to a temporary file that replaces `path` when it is complete and
/// synced. Equal content gives equal bytes. Types: float 64/32/16, bfloat16, int 64/32/16/8, uint8, bool. Throws Error.
CAIRN_API void write_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                                 const std::map<std::string, std::string>& metadata = {});

/// Same, into an open file; neither syncs nor closes.
CAIRN_API void write_safetensors(FileWriter& writer, const TensorMap& tensors,
                                 const std::map<std::string, std::string>& metadata = {});

/// Writes the header of a file with these tensors and returns their names in the order in which their bytes, row-major,
/// must follow.
CAIRN_API std::vector<std::string> begin_safetensors(FileWriter& writer,
                                                     const std::map<std::string, TensorShape>& tensors,
                                                     const std::map<std::string, std::string>& metadata = {});

}  // namespace cairn

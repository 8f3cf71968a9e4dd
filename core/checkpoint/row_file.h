#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "checkpoint/atomic_folder.h"
#include "checkpoint/safetensors.h"

namespace cairn {

/// Tensors that grow row by row on disk, so that any number of rows takes the memory of one batch. They are collected
/// in a folder beside `path` and put together by finish(); until then, and after an error, there is nothing at `path`.
/// `path` ends in .safetensors (one file), or in .npy: then `main` is at `path`, the others beside it as
/// NAME.TENSOR.npy.
class CAIRN_API RowFile {
 public:
  /// ConfigError for another ending.
  static void check_ending(const std::filesystem::path& path);

  /// The same. Error where nothing can be written.
  RowFile(std::filesystem::path path, std::string main, std::map<std::string, std::string> metadata = {});

  /// Adds rows to every tensor: the same names, types and shapes behind the first dimension each time.
  void append(const TensorMap& rows);
  /// Writes the files; returns them.
  std::vector<std::filesystem::path> finish();
  std::int64_t rows() const { return rows_; }

 private:
  struct Column {
    std::unique_ptr<FileWriter> writer;
    at::ScalarType type;
    std::vector<std::int64_t> shape;  // of one row
  };

  Column& column(const std::string& name, const at::Tensor& rows);
  void copy(const std::string& name, FileWriter& to) const;
  std::filesystem::path write_safetensors_file();
  std::filesystem::path write_npy_file(const std::string& name, const Column& column);

  std::filesystem::path path_;
  std::string main_;
  std::map<std::string, std::string> metadata_;
  AtomicFolder parts_;
  std::map<std::string, Column> columns_;
  std::int64_t rows_ = 0;
};

}  // namespace cairn

#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "cairn/error.h"
#include "cairn/export.h"

namespace cairn {

/// A disk or quota that is full.
class CAIRN_API DiskFullError : public Error {
 public:
  using Error::Error;
  DiskFullError(const DiskFullError&) = default;
  ~DiskFullError() override;
};

/// What a FileWriter does with a file of its name: refuse it, empty it, or write behind its end.
enum class FileMode { kCreate, kReplace, kAppend };

/// Writes one file, checking every step. All persistent output of the engine goes through this class, so that
/// faults can be injected at one seam. Throws Error; DiskFullError where disk or quota are full.
class CAIRN_API FileWriter {
 public:
  explicit FileWriter(std::filesystem::path path, FileMode mode = FileMode::kCreate);
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  ~FileWriter();

  /// Appends all bytes.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  /// Forces what was written to the disk.
  void sync();
  /// Closes and reports what the system delayed until now. The destructor closes too, but silently.
  void close();

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// Makes writes past a file-size limit fail with EFBIG instead of ending the process. Call once at program start.
CAIRN_API void ignore_file_size_signal();

/// Forces a folder's entries (created, renamed, removed names) to the disk. Throws Error.
CAIRN_API void sync_folder(const std::filesystem::path& folder);

/// Throws the Error for a failed write to `path` with this errno value.
[[noreturn]] CAIRN_API void throw_write_error(const std::filesystem::path& path, int error_number);

}  // namespace cairn

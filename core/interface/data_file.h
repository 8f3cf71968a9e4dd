#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>

namespace cairn {

/// A regular file open for reading at any place, by several threads at once.
class DataFile {
 public:
  /// DataError if there is no such file, or it cannot be opened.
  explicit DataFile(std::filesystem::path path);
  ~DataFile();
  DataFile(const DataFile&) = delete;
  DataFile& operator=(const DataFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  /// Fills `out` with the bytes from `offset` on. DataError if the file ends before, or cannot be read.
  void read(std::uint64_t offset, std::span<std::uint8_t> out) const;
  /// Lets the system read these bytes in one go, without waiting for them.
  void read_ahead(std::uint64_t offset, std::uint64_t count) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

/// Small reads of a file from front to back: each that reaches the file reads along what lies close behind.
class SmallReads {
 public:
  explicit SmallReads(const DataFile& file) : file_(file) {}

  const DataFile& file() const { return file_; }
  /// As DataFile::read().
  void read(std::uint64_t offset, std::span<std::uint8_t> out);

 private:
  const DataFile& file_;
  std::array<std::uint8_t, 4096> window_;
  std::uint64_t begin_ = 0, end_ = 0;  // of the bytes in the window
};

}  // namespace cairn

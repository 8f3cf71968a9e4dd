#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "interface/data_file.h"

namespace cairn {

/// What headers and contents in a tar file are multiples of, in bytes.
inline constexpr std::uint64_t kTarBlock = 512;

/// A file within a tar file.
struct TarMember {
  std::string name;
  std::uint64_t offset = 0;  // of its first byte
  std::uint64_t size = 0;
  std::optional<std::string> label = {};  // the class that it holds, where that is known without reading it

  /// Where the block behind it begins.
  std::uint64_t end() const;
  /// Its name as WebDataset cuts it, at the first dot behind the last slash: "folder/1" and ".jpg".
  std::string_view key() const;
  std::string_view ending() const;
  /// No part of a sample: a hidden file, as macOS adds them.
  bool is_hidden() const;

 private:
  std::size_t dot() const;
};

/// Goes through the regular files of a tar file; links, folders and sparse files are passed over. Reads headers only:
/// those of POSIX 1003.1-1990 (ustar) and 2001 (pax), and GNU's long names and sizes.
class TarWalk {
 public:
  /// From the header at byte `from` on.
  explicit TarWalk(SmallReads& reads, std::uint64_t from = 0) : reads_(reads), at_(from) {}

  /// nullopt at the end. DataError if it is no tar file, is compressed, damaged or truncated.
  std::optional<TarMember> next();

 private:
  SmallReads& reads_;
  std::uint64_t at_;
};

}  // namespace cairn

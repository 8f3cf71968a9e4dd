#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "interface/data_file.h"

namespace cairn {

/// A file within a tar file.
struct TarMember {
  std::string name;
  std::uint64_t offset = 0;  // of its first byte
  std::uint64_t size = 0;
};

/// Hands every regular file of a tar file to `take`, in order; links, folders and sparse files are passed over. Reads
/// headers only: those of POSIX 1003.1-1990 (ustar) and 2001 (pax), and GNU's long names and sizes. DataError if it is
/// no tar file, is compressed, damaged or truncated.
void walk_tar(SmallReads& reads, const std::function<void(const TarMember&)>& take);

}  // namespace cairn

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cairn/file_set.h"

namespace cairn {

/// The samples of one tar file.
struct ShardIndex {
  struct Sample {
    std::uint64_t offset = 0;  // of its bytes
    std::uint64_t size = 0;
    std::uint64_t name = 0;   // where its name begins in `names`
    std::uint32_t label = 0;  // which of `labels` its member ".cls" holds
  };

  std::vector<Sample> samples;
  std::string names;                // each ended by a zero
  std::vector<std::string> labels;  // the first one is empty: unknown
  std::int64_t others = 0;          // members that are neither sample nor label
};

/// Reads which samples a tar file holds. DataError if it is damaged.
ShardIndex read_shard(const FileFilter& filter, const std::filesystem::path& path);

}  // namespace cairn

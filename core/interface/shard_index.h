#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/file_set.h"
#include "interface/tar.h"

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
  std::string fault;                // why the index file beside the tar file is not used; empty where there is none
};

/// What the member ".cls" of a sample is called.
inline constexpr std::string_view kLabelEnding = ".cls";

/// The class that such a member holds, without blanks around it. DataError if it is too long for one.
std::string label_of(SmallReads& tar, const TarMember& member);

/// Reads which samples a tar file holds, from the index file beside it or its own headers. DataError if it is damaged.
ShardIndex read_shard(const FileFilter& filter, const std::filesystem::path& path);

}  // namespace cairn

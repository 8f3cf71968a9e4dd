#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// Whether a file's name is a tar file's, and none of those that macOS hides beside them.
CAIRN_API bool is_shard(const std::filesystem::path& path);

/// The tar files of a path: one, a folder of them, or a pattern such as "train-{000..146}.tar". DataError if there are
/// none; those of a pattern need not be there.
CAIRN_API std::vector<std::filesystem::path> find_shards(const std::string& path);

/// Does the work of shards 0 to `count` - 1, several at a time; of several failures the first shard's counts.
CAIRN_API void for_each_shard(std::size_t count, const std::function<void(std::size_t)>& work);

}  // namespace cairn

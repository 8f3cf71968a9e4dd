#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "interface/tar.h"

namespace cairn {

/// Where the index file of a tar file lies, as DALI's wds2idx names it: "a.idx" beside "a.tar".
CAIRN_API std::filesystem::path index_path(const std::filesystem::path& tar);

/// The visible members of a tar file as the index file beside it names them, in the tar file's order: those that a walk
/// would find. nullopt where there is none, or, with a `fault`, where it does not fit the tar file.
std::optional<std::vector<TarMember>> read_tar_index(SmallReads& tar, std::string& fault);

/// The index of a tar file: what DALI's wds2idx writes (v1.2), and behind it, where DALI does not look, the tar file's
/// size and time of change and what the members ".cls" hold. DataError if it cannot be read or holds no files.
CAIRN_API std::string tar_index_text(const std::filesystem::path& tar);

}  // namespace cairn

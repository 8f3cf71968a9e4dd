#pragma once

#include <filesystem>
#include <string>

#include "cairn/export.h"

namespace cairn {

/// Where Cairn's own experiments lie: share/cairn/configs beside the folder of the core library.
CAIRN_API std::filesystem::path shipped_folder();

/// One of them, such as "ijepa/quickstart.toml". DataError where it is not there.
CAIRN_API std::filesystem::path shipped_experiment(const std::string& name);

}  // namespace cairn

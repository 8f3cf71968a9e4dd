#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// What to call each of some folders: its name, with as many of its parents before it as tell it from the others.
CAIRN_API std::vector<std::string> run_labels(std::span<const std::filesystem::path> folders);

}  // namespace cairn

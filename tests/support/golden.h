#pragma once

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>

namespace cairn::test {

/// The folder shared by all clones: CAIRN_SHARED, else `shared` beside the source folder.
inline std::filesystem::path shared_folder() {
  const char* named = std::getenv("CAIRN_SHARED");
  return named ? std::filesystem::path(named) : std::filesystem::path(CAIRN_SOURCE_DIR) / ".." / "shared";
}

/// The folder of golden case `name` ("objectives/dino"); empty, with a line saying so, where the cases are absent.
inline std::filesystem::path golden_case(std::string_view name) {
  const std::filesystem::path folder = shared_folder() / "golden" / name;
  if (std::filesystem::exists(folder)) return folder;
  std::cerr << "skipped: golden case " << name << " is not at " << folder << "\n";
  return {};
}

}  // namespace cairn::test

#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "cairn/error.h"

namespace cairn::conformance {

/// A folder that goes with the object.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "cairn-conform-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw Error("no temporary folder can be made", name, "set TMPDIR");
    path_ = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace cairn::conformance

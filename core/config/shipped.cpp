#include "config/shipped.h"

#include "cairn/error.h"
#include "plugin/loader.h"

namespace cairn {

namespace fs = std::filesystem;

fs::path shipped_folder() { return core_library_folder().parent_path() / "share" / "cairn" / "configs"; }

fs::path shipped_experiment(const std::string& name) {
  const fs::path file = shipped_folder() / name;
  if (!fs::exists(file))
    throw DataError("an experiment that comes with Cairn is not there", file.string(),
                    "name one, or install Cairn again");
  return file;
}

}  // namespace cairn

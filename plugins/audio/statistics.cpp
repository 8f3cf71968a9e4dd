#include "statistics.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>

#include "cairn/error.h"

namespace cairn::audio {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

[[noreturn]] void fail_to_write(const fs::path& path) {
  throw Error("cannot be written", path.string(),
              "make room on the disk, see to its folder's permissions, or name another modality.statistics");
}

/// A file of this process alone beside `path`, gone afterwards unless it was renamed: runs that start together write
/// the same, but none may read half of it.
class OwnFile {
 public:
  explicit OwnFile(const fs::path& path) : name_(path.string() + ".XXXXXX") {
    const int descriptor = ::mkstemp(name_.data());
    if (descriptor < 0) fail_to_write(path);
    ::fchmod(descriptor, 0644);
    ::close(descriptor);
  }
  OwnFile(const OwnFile&) = delete;
  OwnFile& operator=(const OwnFile&) = delete;
  ~OwnFile() { ::unlink(name_.c_str()); }

  const std::string& name() const { return name_; }

 private:
  std::string name_;
};

}  // namespace

std::optional<Statistics> read_statistics(const fs::path& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  try {
    const Json json = Json::parse(file);
    Statistics found;
    found.samples = json.at("samples").get<std::int64_t>();
    found.mean = json.at("mean").at(0).get<double>();
    found.std = json.at("std").at(0).get<double>();
    if (json.at("mean").size() == 1 && found.std > 0) return found;
  } catch (const Json::exception&) {
  }
  throw DataError("holds no statistics of sounds", path.string(),
                  "remove it, or write it with: cairn bench loader EXPERIMENT --statistics --json");
}

void write_statistics(const fs::path& path, const Statistics& statistics) {
  std::error_code error;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  const OwnFile draft(path);
  std::ofstream file(draft.name());
  file << Json{{"samples", statistics.samples}, {"mean", {statistics.mean}}, {"std", {statistics.std}}}.dump(2) << '\n';
  file.close();
  if (!file) fail_to_write(path);
  fs::rename(draft.name(), path, error);
  if (error) fail_to_write(path);
}

}  // namespace cairn::audio

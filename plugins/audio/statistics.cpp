#include "statistics.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "cairn/error.h"

namespace cairn::audio {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

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
  if (path.has_parent_path()) fs::create_directories(path.parent_path());
  // Runs that start together write the same, but none may read half of it.
  const fs::path draft = path.string() + ".draft";
  std::ofstream file(draft);
  file << Json{{"samples", statistics.samples}, {"mean", {statistics.mean}}, {"std", {statistics.std}}}.dump(2) << '\n';
  file.close();
  if (!file)
    throw Error("cannot be written", draft.string(), "make room on the disk, or name another modality.statistics");
  fs::rename(draft, path);
}

}  // namespace cairn::audio

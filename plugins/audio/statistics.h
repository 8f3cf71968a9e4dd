#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace cairn::audio {

/// What spectrograms of a data set are normalised by.
struct Statistics {
  double mean = 0, std = 1;
  std::int64_t samples = 0;  // clips looked at
};

/// Reads what `cairn bench loader --statistics --json` prints, or write_statistics() wrote; none where there is no such
/// file. DataError if it is something else.
std::optional<Statistics> read_statistics(const std::filesystem::path& path);

/// Writes the same form. Error if that fails.
void write_statistics(const std::filesystem::path& path, const Statistics& statistics);

}  // namespace cairn::audio

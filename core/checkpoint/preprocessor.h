#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "cairn/export.h"
#include "checkpoint/published.h"

namespace cairn {

/// Name of the file in a Hugging Face folder that says how pictures are prepared.
inline constexpr const char* kPreprocessorFile = "preprocessor_config.json";

/// How pictures are prepared, as options of a modality: `resize` and `crop` in pixels, `interpolation`, `mean`, `std`;
/// with `squeeze` pictures are resized to a square whatever their shape. Nothing where the folder does not say it;
/// DataError that names what of it cannot be done.
CAIRN_API std::optional<PublishedData> read_preprocessor(const std::filesystem::path& folder);

/// The inverse, for options with a `crop`.
CAIRN_API nlohmann::ordered_json preprocessor_json(const Value::Table& options);

}  // namespace cairn

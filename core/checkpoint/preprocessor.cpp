#include "checkpoint/preprocessor.h"

#include "checkpoint/json_file.h"
#include "checkpoint/json_value.h"
#include "checkpoint/option_table.h"

namespace cairn {
namespace {

// Pillow's numbers of its filters.
constexpr int kBilinear = 2, kBicubic = 3;

/// "size": 224, {"shortest_edge": 224} or {"height": 224, "width": 224}; 0 where it is none of them.
std::int64_t edge(const nlohmann::json& size, const char* key) {
  const nlohmann::json& value = size.is_object() ? size.value(key, nlohmann::json(0)) : size;
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

Value::Array reals(const nlohmann::json& values) {
  Value::Array all;
  for (const auto& value : values)
    if (value.is_number()) all.emplace_back(value.get<double>());
  return all;
}

}  // namespace

std::optional<PublishedData> read_preprocessor(const std::filesystem::path& folder) {
  if (!std::filesystem::exists(folder / kPreprocessorFile)) return std::nullopt;
  const JsonFile file(folder / kPreprocessorFile);
  const nlohmann::json size = file.value("size", nlohmann::json::object());
  const std::int64_t shortest = edge(size, "shortest_edge"), height = edge(size, "height");
  const bool crops = file.value("do_center_crop", file.json().contains("crop_size"));
  const std::int64_t crop = crops ? edge(file.value("crop_size", nlohmann::json::object()), "height") : 0;
  PublishedData data;
  if (shortest > 0 && crop > 0) {
    data.options = {{"resize", Value(shortest)}, {"crop", Value(crop)}};
  } else if (height > 0 && !crops) {
    data.options = {{"squeeze", Value(true)}, {"resize", Value(height)}, {"crop", Value(height)}};
  } else {
    return std::nullopt;
  }
  const int filter = file.value("resample", kBilinear);
  data.options.emplace_back("interpolation", Value(std::string(filter == kBicubic ? "bicubic" : "bilinear")));
  if (!file.value("do_normalize", true)) return data;
  data.options.emplace_back("mean", Value(reals(file.value("image_mean", nlohmann::json::array()))));
  data.options.emplace_back("std", Value(reals(file.value("image_std", nlohmann::json::array()))));
  return data;
}

nlohmann::ordered_json preprocessor_json(const Value::Table& options) {
  const auto crop = option_or(options, "crop", std::int64_t{0});
  const auto array = [&](const char* name) {
    const Value* value = find_option(options, name);
    return value == nullptr ? nlohmann::ordered_json::array() : to_json(*value);
  };
  return {{"image_processor_type", "BitImageProcessor"},
          {"do_convert_rgb", true},
          {"do_resize", true},
          {"size", {{"shortest_edge", option_or(options, "resize", crop)}}},
          {"resample", option_or(options, "interpolation", std::string()) == "bilinear" ? kBilinear : kBicubic},
          {"do_center_crop", true},
          {"crop_size", {{"height", crop}, {"width", crop}}},
          {"do_rescale", true},
          {"rescale_factor", 1.0 / 255.0},
          {"do_normalize", true},
          {"image_mean", array("mean")},
          {"image_std", array("std")}};
}

}  // namespace cairn

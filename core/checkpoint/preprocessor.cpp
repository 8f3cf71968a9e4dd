#include "checkpoint/preprocessor.h"

#include <cmath>
#include <string>

#include "cairn/error.h"
#include "checkpoint/json_file.h"
#include "checkpoint/json_value.h"
#include "checkpoint/option_table.h"

namespace cairn {
namespace {

// Pillow's numbers of its filters.
constexpr int kBilinear = 2, kBicubic = 3;
constexpr double kUsualFactor = 1.0 / 255.0, kRounding = 1e-6;

/// "size": 224, {"shortest_edge": 224} or {"height": 224, "width": 224}; 0 where it is none of them.
std::int64_t edge(const nlohmann::json& size, const char* key) {
  const nlohmann::json& value = size.is_object() ? size.value(key, nlohmann::json(0)) : size;
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

/// Height and width where they are the same; else 0.
std::int64_t square(const nlohmann::json& size) {
  const std::int64_t height = edge(size, "height");
  return height == edge(size, "width") ? height : 0;
}

[[noreturn]] void refuse(const JsonFile& file, const std::string& what) { throw DataError(what, file.path().string()); }

void read_resizing(const JsonFile& file, Value::Table& options) {
  if (!file.value("do_resize", true)) refuse(file, "'do_resize' is false, and a network sees pictures of one size");
  const auto size = file.value("size", nlohmann::json::object());
  const auto cut = file.value("crop_size", nlohmann::json::object());
  const std::int64_t shortest = edge(size, "shortest_edge"), side = square(size), crop = square(cut);
  const bool crops = file.value("do_center_crop", !cut.empty());
  if (crops && crop < 1) refuse(file, "'crop_size' is no square");
  if (crops && shortest < 1) refuse(file, "'size' is not that of the short side, as it must be before a crop");
  if (!crops && side < 1) refuse(file, "'size' is no square, and there is no crop behind it");
  if (crops)
    options = {{"resize", Value(shortest)}, {"crop", Value(crop)}, {"floor_crop", Value(true)}};
  else
    options = {{"squeeze", Value(true)}, {"resize", Value(side)}, {"crop", Value(side)}};
  const auto filter = file.value("resample", kBilinear);
  if (filter != kBilinear && filter != kBicubic) refuse(file, "'resample' is neither 2 (bilinear) nor 3 (bicubic)");
  options.emplace_back("interpolation", Value(std::string(filter == kBicubic ? "bicubic" : "bilinear")));
}

/// Numbers for values between 0 and 1, of which the file's are `scale` times as large.
Value::Array channels(const JsonFile& file, const std::string& key, double scale) {
  Value::Array all;
  for (const auto& value : file.value(key, nlohmann::json::array()))
    if (value.is_number()) all.emplace_back(value.get<double>() / scale);
  if (all.empty()) refuse(file, "'" + key + "' is missing, and do_normalize is not false");
  return all;
}

void read_normalisation(const JsonFile& file, Value::Table& options) {
  const double factor = file.value("do_rescale", true) ? file.value("rescale_factor", kUsualFactor) : 1.0;
  if (!(factor > 0)) refuse(file, "'rescale_factor' is not above 0");
  const double scale = factor / kUsualFactor;
  const bool is_usual = std::abs(scale - 1.0) < kRounding;
  if (file.value("do_normalize", true)) {
    for (const char* key : {"mean", "std"})
      options.emplace_back(key, Value(channels(file, std::string("image_") + key, is_usual ? 1.0 : scale)));
  } else if (!is_usual) {
    refuse(file, "'rescale_factor' does not bring values between 0 and 1, and 'do_normalize' is false");
  }
}

}  // namespace

std::optional<PublishedData> read_preprocessor(const std::filesystem::path& folder) {
  if (!std::filesystem::exists(folder / kPreprocessorFile)) return std::nullopt;
  const JsonFile file(folder / kPreprocessorFile);
  PublishedData data;
  read_resizing(file, data.options);
  read_normalisation(file, data.options);
  return data;
}

nlohmann::ordered_json preprocessor_json(const Value::Table& options) {
  const auto crop = option_or(options, "crop", std::int64_t{0});
  const auto array = [&](const char* name) {
    const Value* value = find_option(options, name);
    return value == nullptr ? nlohmann::ordered_json::array() : to_json(*value);
  };
  const bool is_squeezed = option_or(options, "squeeze", false);
  nlohmann::ordered_json config = {{"image_processor_type", is_squeezed ? "ViTImageProcessor" : "BitImageProcessor"},
                                   {"do_convert_rgb", true},
                                   {"do_resize", true}};
  const nlohmann::ordered_json sides = {{"height", crop}, {"width", crop}};
  if (is_squeezed)
    config["size"] = sides;
  else
    config["size"]["shortest_edge"] = option_or(options, "resize", crop);
  config["resample"] = option_or(options, "interpolation", std::string()) == "bilinear" ? kBilinear : kBicubic;
  config["do_center_crop"] = !is_squeezed;
  if (!is_squeezed) config["crop_size"] = sides;
  config["do_rescale"] = true;
  config["rescale_factor"] = kUsualFactor;
  config["do_normalize"] = find_option(options, "mean") != nullptr;
  config["image_mean"] = array("mean");
  config["image_std"] = array("std");
  return config;
}

}  // namespace cairn

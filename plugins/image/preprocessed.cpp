#include "preprocessed.h"

#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "cairn/error.h"

namespace cairn::image {
namespace {

ImageOptions image_options(const PreprocessedOptions& options) {
  if (options.resize < options.crop)
    throw ConfigError("crop", "is larger than resize, so that no square of that size can be cut out",
                      "set it to at most resize");
  ImageOptions all;
  all.size = options.crop;
  all.patch = options.crop;
  all.evaluate_resize = options.resize;
  all.interpolation = options.interpolation;
  all.normalise = Normalise::none;
  all.mean = options.mean;
  all.std = options.std;
  all.squeeze = options.squeeze;
  all.floor_crop = options.floor_crop;
  all.exif = options.exif;
  return all;
}

/// The pictures of a folder, of a list, or one.
std::unique_ptr<ImageSet> open_any(const std::filesystem::path& path, Split split) {
  static const std::set<std::string> lists = {".txt", ".csv", ".tsv", ".lst", ".list"};
  return lists.contains(path.extension().string()) ? open_list(path, {}, split, 0) : open_folder(path, split, 0);
}

}  // namespace

Schema<PreprocessedOptions> PreprocessedOptions::schema() {
  using O = PreprocessedOptions;
  Schema<O> s("Pictures as published image processors prepare them: resize, centre crop, normalise; not for training");
  s.option("path", &O::path, "folder of the pictures, a list of them (.txt, .csv, .tsv, .lst or .list), or one picture")
      .required()
      .path();
  s.option("resize", &O::resize, "short side in pixels before the crop").range(1, 1 << 14);
  s.option("crop", &O::crop, "side in pixels of the square cut out of the middle").range(1, 1 << 14);
  s.option("interpolation", &O::interpolation,
           {{"bicubic", Interpolation::bicubic}, {"bilinear", Interpolation::bilinear}},
           "resampling filter, antialiased");
  s.option("mean", &O::mean, "subtracted from values in [0, 1], one for each channel; empty: 0");
  s.option("std", &O::std, "divides after that, one for each channel; empty: 1").range(1e-6, 1e6);
  s.option("squeeze", &O::squeeze,
           "make the whole picture a square of crop pixels, whatever its shape; resize is unused");
  s.option("floor_crop", &O::floor_crop,
           "where the crop's offset is half a pixel off, cut that off as transformers does; else round to even as "
           "torchvision");
  s.option("exif", &O::exif, "turn pictures upright as their EXIF orientation says");
  return s;
}

PreprocessedModality::PreprocessedModality(const PreprocessedOptions& options)
    : ImageModality(image_options(options), [path = options.path](Split split) { return open_any(path, split); }) {}

}  // namespace cairn::image

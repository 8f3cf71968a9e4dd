#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image_modality.h"

namespace cairn::image {

/// What a published image processor is told.
struct PreprocessedOptions {
  std::string path;
  std::int64_t resize = 256;
  std::int64_t crop = 224;
  Interpolation interpolation = Interpolation::bicubic;
  std::vector<double> mean, std;
  bool squeeze = false, floor_crop = false;
  bool exif = false;
  static Schema<PreprocessedOptions> schema();
};

/// Pictures as published image processors prepare them for a trained model: the whole view is one patch. For feature
/// extraction and golden cases, not for training.
class PreprocessedModality : public ImageModality {
 public:
  /// ConfigError if the crop is larger than what the short side is resized to.
  explicit PreprocessedModality(const PreprocessedOptions& options);
};

}  // namespace cairn::image

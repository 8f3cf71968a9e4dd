#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "augment.h"
#include "cairn/modality.h"
#include "cairn/options.h"
#include "image_set.h"
#include "media/tensors.h"
#include "recipes.h"
#include "shapes.h"

namespace cairn::image {

using media::Normalise;

/// What every image modality understands.
struct ImageOptions : Augmentation {
  std::int64_t size = 224;
  std::int64_t patch = 16;
  std::int64_t channels = 3;
  Normalise normalise = Normalise::imagenet;
  std::vector<double> mean, std;
  double max_bad_share = 0.05;
  std::int64_t views = 1;
  Recipe recipe = Recipe::none;
  std::int64_t local_size = 0;
  std::vector<ViewOptions> view;
  Interpolation interpolation = Interpolation::bicubic;
  std::int64_t evaluate_resize = 0;
  bool squeeze = false;     // whole pictures made square instead of a crop
  bool floor_crop = false;  // half a pixel of the crop's offset is cut off, not rounded to even
  bool exif = false;
  std::int64_t decode_cache_mb = 0;
};

/// Data at a path.
struct PathOptions : ImageOptions {
  std::string path;
  double test_share = 0.2;
};

struct FolderOptions : PathOptions {
  static Schema<FolderOptions> schema();
};
struct CifarOptions : PathOptions {
  static Schema<CifarOptions> schema();
};
struct IdxOptions : PathOptions {
  static Schema<IdxOptions> schema();
};
struct ListOptions : PathOptions {
  std::string test_path;
  static Schema<ListOptions> schema();
};
struct ShardsOptions : ListOptions {
  std::int64_t read_run = 1;
  std::int64_t read_mix = 32;
  static Schema<ShardsOptions> schema();
};

enum class Variant : std::uint8_t { standard, medium, hard };

struct ShapesOptions : ImageOptions {
  Variant variant = Variant::standard;
  std::int64_t train_samples = 12000;
  std::int64_t test_samples = 2000;
  std::int64_t data_seed = 0;
  std::array<double, 2> area = {0, 0};
  std::array<double, 2> clutter = {-1, -1};
  double noise = -1;
  double texture = -1;

  static Schema<ShapesOptions> schema();
  /// The variant's figures with the overrides applied. ConfigError if a range is upside down.
  ShapesDifficulty difficulty() const;
};

/// Pictures cut into square patches. Where they come from is a function; everything else is the same for all sources.
class ImageModality : public Modality {
 public:
  using Opener = std::function<std::unique_ptr<ImageSet>(Split)>;

  /// ConfigError if the options contradict each other.
  ImageModality(const ImageOptions& options, Opener opener);

  std::unique_ptr<SampleSource> open(Split split, Purpose purpose) const override;
  TokenizerSpec tokenizer() const override;
  std::vector<ViewLayout> views(Purpose purpose) const override;
  /// uint8 [B,C,H,W] to normalised float.
  void prepare(Batch& batch, Purpose purpose, Rng& rng) const override;
  at::Tensor display(const View& view) const override;

 private:
  ImageOptions options_;
  Opener opener_;
  media::Normaliser normaliser_;
  std::vector<ViewRecipe> recipes_;  // one for each view of pretraining
};

class FolderModality : public ImageModality {
 public:
  explicit FolderModality(const FolderOptions& options);
};
class ListModality : public ImageModality {
 public:
  explicit ListModality(const ListOptions& options);
};
class ShardsModality : public ImageModality {
 public:
  explicit ShardsModality(const ShardsOptions& options);
};
class CifarModality : public ImageModality {
 public:
  explicit CifarModality(const CifarOptions& options);
};
class IdxModality : public ImageModality {
 public:
  explicit IdxModality(const IdxOptions& options);
};
class ShapesModality : public ImageModality {
 public:
  explicit ShapesModality(const ShapesOptions& options);
};

}  // namespace cairn::image

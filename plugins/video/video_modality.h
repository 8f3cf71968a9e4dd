#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/modality.h"
#include "cairn/options.h"
#include "clip.h"
#include "footage.h"
#include "media/colour.h"
#include "media/tensors.h"

namespace cairn::video {

using media::Interpolation;
using media::Normalise;

/// What every video modality understands.
struct VideoOptions : media::Colouring {
  std::int64_t size = 224;
  std::int64_t patch = 16;
  std::int64_t tubelet = 2;
  std::int64_t channels = 3;
  std::int64_t frames = 16;
  std::int64_t frame_step = 4;
  double fps = 0;
  std::int64_t start = -1;
  Normalise normalise = Normalise::imagenet;
  std::vector<double> mean, std;
  double max_bad_share = 0.05;
  std::int64_t views = 1;
  std::array<double, 2> crop_scale = {0.3, 1.0};
  std::array<double, 2> crop_ratio = {0.75, 1.35};
  Interpolation interpolation = Interpolation::bilinear;
  double flip = 0.5;
  std::int64_t evaluate_resize = 0;
  std::int64_t evaluate_clips = 1;
  std::int64_t evaluate_crops = 1;
  double picture_share = 0;
  std::string pictures;
  bool evaluate_whole = false;  // squeezes whole frames into the view instead; not for people to set
};

/// Videos that are stored, as files or in them.
struct FileOptions : VideoOptions {
  double test_share = 0.2;
  double time_limit = 60;
  std::int64_t decoder_threads = 1;
  std::int64_t decode_cache_mb = 0;
};

struct ClipsOptions : FileOptions {
  std::string path;
  static Schema<ClipsOptions> schema();
};

struct ShardsOptions : FileOptions {
  std::string path;
  std::string test_path;
  std::int64_t read_run = 1;
  std::int64_t read_mix = 32;
  static Schema<ShardsOptions> schema();
};

struct ListOptions : FileOptions {
  std::string path;
  std::vector<std::string> more_paths;
  std::vector<double> weights;
  std::string test_path;
  static Schema<ListOptions> schema();
};

/// video.keyframes: moments of films, with boxes around people.
struct KeyframesOptions : FileOptions {
  std::string path;
  std::string videos;
  std::string test_path;
  std::vector<std::string> excluded;
  std::string actions;
  double first_second = 0;
  static Schema<KeyframesOptions> schema();
};

struct MovingShapesOptions : VideoOptions {
  std::int64_t train_samples = 8000;
  std::int64_t test_samples = 2000;
  std::int64_t data_seed = 0;
  std::int64_t film_frames = 16;
  std::array<double, 2> speed = {0.5, 1.0};
  std::array<double, 2> radius = {0.1, 0.18};
  double noise = 0.02;

  MovingShapesOptions();
  static Schema<MovingShapesOptions> schema();
};

/// What a published video processor is told.
struct PreprocessedOptions {
  std::string path;
  std::int64_t frames = 16;
  std::int64_t frame_step = 4;
  std::int64_t start = 0;
  std::int64_t resize = 256;
  std::int64_t crop = 224;
  Interpolation interpolation = Interpolation::bilinear;
  std::vector<double> mean, std;
  double time_limit = 60;
  static Schema<PreprocessedOptions> schema();
};

/// Clips of videos, cut into tubelets. Where the videos come from is a function; everything else is the same for all
/// sources.
class VideoModality : public Modality {
 public:
  using Opener = std::function<std::unique_ptr<FootageSet>(Split, Purpose)>;

  /// ConfigError if the options contradict each other.
  VideoModality(const VideoOptions& options, Opener opener);

  std::unique_ptr<SampleSource> open(Split split, Purpose purpose) const override;
  TokenizerSpec tokenizer() const override;
  std::vector<ViewLayout> views(Purpose purpose) const override;
  /// Pictures: clips of one frame and patches of one frame, [B,C,1,H,W].
  std::optional<Companion> companion() const override;
  /// uint8 [B,C,T,H,W] to normalised float.
  void prepare(Batch& batch, Purpose purpose, Rng& rng) const override;
  at::Tensor display(const View& view) const override;

 private:
  VideoOptions options_;
  Opener opener_;
  media::Normaliser normaliser_;
};

class ClipsModality : public VideoModality {
 public:
  explicit ClipsModality(const ClipsOptions& options);
};
class ShardsModality : public VideoModality {
 public:
  explicit ShardsModality(const ShardsOptions& options);
};
class ListModality : public VideoModality {
 public:
  /// ConfigError if there is not one positive weight for each list.
  explicit ListModality(const ListOptions& options);
};
/// Clips about the moments of a table in AVA's format. Evaluated samples are whole frames squeezed into the view, and
/// carry `boxes` float [K,4] (left, top, right, bottom, as shares) and `box_labels` float [K,classes] of 0 and 1; rows
/// of NaN fill up the batch.
class KeyframesModality : public VideoModality {
 public:
  /// ConfigError for options that would cut boxes away or move the clip.
  explicit KeyframesModality(const KeyframesOptions& options);

  Batch collate(const std::vector<Sample>& samples, Purpose purpose) const override;
};
class MovingShapesModality : public VideoModality {
 public:
  explicit MovingShapesModality(const MovingShapesOptions& options);
};

/// One video as published processors prepare it for a trained model: the whole view is one token. For feature
/// extraction and golden cases, not for training.
class PreprocessedModality : public VideoModality {
 public:
  /// ConfigError if the crop is larger than what the short side is resized to.
  explicit PreprocessedModality(const PreprocessedOptions& options);
};

}  // namespace cairn::video

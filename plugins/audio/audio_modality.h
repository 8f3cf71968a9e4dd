#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "augment.h"
#include "cairn/modality.h"
#include "cairn/options.h"
#include "front_end.h"
#include "resample.h"
#include "sound_set.h"
#include "statistics.h"
#include "tones.h"

namespace cairn::audio {

/// Where spectrograms are computed: by the loader's threads, or batch by batch on the device.
enum class Compute : std::uint8_t { loader, device };

/// What becomes of clips that are shorter than a view: silence behind them, zeros behind their spectrogram (AST,
/// AudioMAE), repetition. `stretch` brings the spectrogram of the whole clip, short or long, to the size of the view.
enum class Fit : std::uint8_t { silence, zero, repeat, stretch };

enum class Normalise : std::uint8_t { standardise, measured, fixed, none };

/// What every audio modality understands.
struct AudioOptions : FrontEndOptions {
  std::int64_t size = 1024;
  std::array<std::int64_t, 2> patch = {16, 16};
  double max_bad_share = 0.05;
  std::int64_t channel = -1;
  std::string raw;
  std::int64_t raw_rate = 16000;
  std::int64_t raw_channels = 1;
  Resampler resampler = Resampler::sinc;
  Loudness loudness = Loudness::none;
  double loudness_db = -20;
  Fit fit = Fit::silence;
  double evaluate_place = 0.5;
  Compute compute = Compute::loader;
  Normalise normalise = Normalise::standardise;
  double mean = 0;
  double std = 1;
  std::int64_t statistics_clips = 256;
  std::string statistics;
  std::int64_t views = 1;
  std::array<double, 2> gain_db = {0, 0};
  double noise = 0;
  std::array<double, 2> noise_snr_db = {10, 30};
  double time_shift = 0;
  double mixup = 0;
  std::array<double, 2> crop_time = {1, 1};
  std::array<double, 2> crop_frequency = {1, 1};
  std::int64_t time_mask = 0;
  std::int64_t frequency_mask = 0;

  ReadOptions reading() const { return {channel, {raw, raw_rate, raw_channels}}; }
  ViewRecipe recipe() const;
};

struct ClipsOptions : AudioOptions {
  std::string path;
  std::string pattern;
  std::string test_field;
  std::vector<std::string> test_values;
  double test_share = 0.2;
  static Schema<ClipsOptions> schema();
};

enum class ListFormat : std::uint8_t { plain, segments };

struct ListOptions : AudioOptions {
  std::string path;
  std::string test_path;
  ListFormat format = ListFormat::plain;
  std::string folder;
  std::string class_path;
  double test_share = 0.2;
  static Schema<ListOptions> schema();
};

struct ShardsOptions : AudioOptions {
  std::string path;
  std::string test_path;
  double test_share = 0.2;
  std::int64_t read_run = 1;
  std::int64_t read_mix = 32;
  static Schema<ShardsOptions> schema();
};

struct TonesOptions : AudioOptions {
  TonesOptions();
  std::int64_t train_samples = 12000;
  std::int64_t test_samples = 2000;
  std::int64_t data_seed = 0;
  std::array<double, 2> snr_db = {6, 24};
  double octaves = 2;
  std::int64_t clicks = 3;
  static Schema<TonesOptions> schema();
};

/// Recordings as spectrograms [B,1,frames,mels] over the axes time and frequency. Where they come from is a function;
/// everything else is the same for all sources.
class AudioModality : public Modality {
 public:
  using Opener = std::function<std::unique_ptr<SoundSet>(Split)>;

  /// ConfigError if the options contradict each other.
  AudioModality(const AudioOptions& options, Opener opener);

  std::unique_ptr<SampleSource> open(Split split, Purpose purpose) const override;
  TokenizerSpec tokenizer() const override;
  std::vector<ViewLayout> views(Purpose purpose) const override;
  /// Waveforms [B,1,T] to spectrograms where the device computes them; mixing; normalisation.
  void prepare(Batch& batch, Purpose purpose, Rng& rng) const override;
  /// A WAV file of what a spectrogram sounds like.
  std::optional<std::filesystem::path> render(const Batch& batch, int view, std::int64_t row,
                                              const std::filesystem::path& stem) const override;

 protected:
  const FrontEnd& front_end() const { return front_end_; }

 private:
  /// What is subtracted from spectrograms [B,1,frames,mels], then what divides them.
  std::array<at::Tensor, 2> normalisation(const at::Tensor& spectrograms) const;
  /// Mean and deviation of the training part, read or measured when first needed.
  const Statistics& statistics() const;
  Statistics measure() const;

  AudioOptions options_;
  Opener opener_;
  FrontEnd front_end_;
  mutable std::once_flag measured_;
  mutable Statistics statistics_;
};

class ClipsModality : public AudioModality {
 public:
  explicit ClipsModality(const ClipsOptions& options);
};

class ListModality : public AudioModality {
 public:
  explicit ListModality(const ListOptions& options);
};

class ShardsModality : public AudioModality {
 public:
  explicit ShardsModality(const ShardsOptions& options);
};

class TonesModality : public AudioModality {
 public:
  explicit TonesModality(const TonesOptions& options);
};

}  // namespace cairn::audio

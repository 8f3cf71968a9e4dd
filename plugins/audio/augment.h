#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "cairn/rng.h"

namespace cairn::audio {

/// How a view is varied for pretraining. The defaults change nothing.
struct ViewRecipe {
  std::array<double, 2> gain_db = {0, 0};
  double noise = 0;  // probability
  std::array<double, 2> noise_snr_db = {10, 30};
  double time_shift = 0;  // probability
  std::array<double, 2> crop_time = {1, 1};
  std::array<double, 2> crop_frequency = {1, 1};
  std::int64_t time_mask = 0;       // widest, in frames
  std::int64_t frequency_mask = 0;  // widest, in bands

  bool crops() const;
};

/// To what a waveform is brought before anything else.
enum class Loudness : std::uint8_t { none, peak, rms };

/// How loud a waveform is; 0 for one without values.
double root_mean_square(const std::vector<float>& waveform);

/// Scales a waveform so that its peak, or its root mean square, lies `decibels` above full scale. Digital silence
/// stays.
void level_waveform(std::vector<float>& waveform, Loudness loudness, double decibels);

/// Rotates the waveform in time, adds white noise and changes its level, as the recipe says.
void augment_waveform(std::vector<float>& waveform, const ViewRecipe& recipe, Rng& rng);

/// Varies one spectrogram [frames,mels]: BYOL-A's random resized crop (Niizumi et al. 2021, section 4.3: a crop on a
/// canvas half as long again as the clip, resized), then one mask in time and one in frequency (SpecAugment, Park et
/// al. 2019). What lies outside, or is masked, becomes the mean.
at::Tensor augment_spectrogram(const at::Tensor& spectrogram, const ViewRecipe& recipe, Rng& rng);

/// Mixes every row of spectrograms [B,...] with another one of the batch, energies weighing 1 - s and s with s uniform
/// in [0, most] (BYOL-A's log-mixup-exp). `nepers`: natural logarithms in one unit of the values; 0: they are no
/// logarithms.
at::Tensor mix_rows(const at::Tensor& spectrograms, double most, double nepers, Rng& rng);

}  // namespace cairn::audio

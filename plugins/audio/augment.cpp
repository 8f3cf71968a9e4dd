#include "augment.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "media/on_device.h"

namespace cairn::audio {
namespace {

constexpr double kCanvasTime = 1.5;  // the canvas of random crops, in lengths of the clip

std::int64_t scaled(std::int64_t size, const std::array<double, 2>& range, std::int64_t most, Rng& rng) {
  const auto wanted = static_cast<std::int64_t>(static_cast<double>(size) * rng.uniform(range[0], range[1]));
  return std::clamp<std::int64_t>(wanted, 1, most);
}

at::Tensor random_resized_crop(const at::Tensor& spectrogram, const ViewRecipe& recipe, Rng& rng) {
  const std::int64_t frames = spectrogram.size(0), mels = spectrogram.size(1);
  const auto length = static_cast<std::int64_t>(static_cast<double>(frames) * kCanvasTime);
  const std::int64_t width = scaled(frames, recipe.crop_time, length, rng);
  const std::int64_t height = scaled(mels, recipe.crop_frequency, mels, rng);
  const std::int64_t left = rng.integer(0, length - width), top = rng.integer(0, mels - height);
  const at::Tensor canvas = spectrogram.mean().expand({length, mels}).clone();
  canvas.narrow(0, (length - frames) / 2, frames).copy_(spectrogram);
  const at::Tensor crop = canvas.narrow(0, left, width).narrow(1, top, height);
  return at::upsample_bicubic2d(crop.unsqueeze(0).unsqueeze(0), {frames, mels}, true)[0][0];
}

void mask(const at::Tensor& spectrogram, std::int64_t axis, std::int64_t widest, const at::Tensor& value, Rng& rng) {
  const std::int64_t size = spectrogram.size(axis), width = rng.integer(0, std::min(widest, size));
  spectrogram.narrow(axis, rng.integer(0, size - width), width).copy_(value);
}

}  // namespace

double root_mean_square(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return std::sqrt(sum / static_cast<double>(std::max<std::size_t>(1, values.size())));
}

bool ViewRecipe::crops() const {
  const std::array<double, 2> whole = {1, 1};
  return crop_time != whole || crop_frequency != whole;
}

void level_waveform(std::vector<float>& waveform, Loudness loudness, double decibels) {
  if (loudness == Loudness::none) return;
  double level = root_mean_square(waveform);
  if (loudness == Loudness::peak) {
    level = 0;
    for (const float value : waveform) level = std::max(level, static_cast<double>(std::abs(value)));
  }
  if (level < 1e-9) return;
  const auto gain = static_cast<float>(std::pow(10, decibels / 20) / level);
  for (float& value : waveform) value *= gain;
}

void augment_waveform(std::vector<float>& waveform, const ViewRecipe& recipe, Rng& rng) {
  if (rng.chance(recipe.time_shift)) {
    const auto by = rng.integer(0, static_cast<std::int64_t>(waveform.size()) - 1);
    std::rotate(waveform.begin(), waveform.begin() + by, waveform.end());
  }
  if (rng.chance(recipe.noise)) {
    const double snr = rng.uniform(recipe.noise_snr_db[0], recipe.noise_snr_db[1]);
    const double level = root_mean_square(waveform) * std::pow(10, -snr / 20);
    for (float& value : waveform) value += static_cast<float>(level * rng.normal());
  }
  if (recipe.gain_db[0] == 0 && recipe.gain_db[1] == 0) return;
  const auto gain = static_cast<float>(std::pow(10, rng.uniform(recipe.gain_db[0], recipe.gain_db[1]) / 20));
  for (float& value : waveform) value *= gain;
}

at::Tensor augment_spectrogram(const at::Tensor& spectrogram, const ViewRecipe& recipe, Rng& rng) {
  at::Tensor out = recipe.crops() ? random_resized_crop(spectrogram, recipe, rng) : spectrogram;
  if (recipe.time_mask == 0 && recipe.frequency_mask == 0) return out;
  out = out.clone();
  const at::Tensor mean = out.mean();
  if (recipe.time_mask > 0) mask(out, 0, recipe.time_mask, mean, rng);
  if (recipe.frequency_mask > 0) mask(out, 1, recipe.frequency_mask, mean, rng);
  return out;
}

at::Tensor mix_rows(const at::Tensor& spectrograms, double most, double nepers, Rng& rng) {
  const std::int64_t rows = spectrograms.size(0);
  std::vector<float> share;
  for (std::int64_t row = 0; row < rows; ++row) share.push_back(static_cast<float>(rng.uniform(0, most)));
  std::vector<std::int64_t> shape(static_cast<std::size_t>(spectrograms.dim()), 1);
  shape[0] = rows;
  const at::Tensor s = media::sent_to(at::tensor(share).view(shape), spectrograms.device());
  const at::Tensor order = media::sent_to(at::tensor(rng.permutation(rows)), spectrograms.device());
  const at::Tensor others = spectrograms.index_select(0, order);
  if (nepers == 0.0) return spectrograms * (1 - s) + others * s;
  return at::logaddexp(spectrograms * nepers + (1 - s).log(), others * nepers + s.log()) / nepers;
}

}  // namespace cairn::audio

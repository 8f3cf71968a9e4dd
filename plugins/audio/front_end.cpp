#include "front_end.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "cairn/error.h"

namespace cairn::audio {
namespace {

constexpr double kFloor = 1.1920928955078125e-07;  // 2^-23, below which Kaldi's energies do not fall
constexpr std::int64_t kBlock = 128;  // frames at a time on the CPU, so that what is in work stays in the cache
constexpr double kPi = std::numbers::pi;

/// A window of `length` samples; `periodic` divides by length, else by length - 1.
at::Tensor make_window(Window kind, std::int64_t length, bool periodic) {
  at::Tensor window = at::empty({length}, at::kDouble);
  auto* values = window.mutable_data_ptr<double>();
  const auto period = static_cast<double>(std::max<std::int64_t>(1, periodic ? length : length - 1));
  for (std::int64_t i = 0; i < length; ++i) {
    const double cosine = std::cos(2 * kPi * static_cast<double>(i) / period);
    const double hann = 0.5 - 0.5 * cosine;
    values[i] = kind == Window::hanning   ? hann
                : kind == Window::povey   ? std::pow(hann, 0.85)
                : kind == Window::hamming ? 0.54 - 0.46 * cosine
                                          : 1.0;
  }
  return window;
}

double kaldi_mel(double hz) { return 1127 * std::log(1 + hz / 700); }

// Slaney's scale is linear up to 1 kHz, 66.7 Hz a mel, then logarithmic: 27 mels for a factor of 6.4.
constexpr double kSlaneyLinear = 200.0 / 3, kSlaneyBreak = 1000.0;
const double kSlaneyStep = std::log(6.4) / 27;

double to_mel(MelScale scale, double hz) {
  if (scale == MelScale::htk) return 2595 * std::log10(1 + hz / 700);
  if (hz < kSlaneyBreak) return hz / kSlaneyLinear;
  return kSlaneyBreak / kSlaneyLinear + std::log(hz / kSlaneyBreak) / kSlaneyStep;
}

double to_hz(MelScale scale, double mel) {
  if (scale == MelScale::htk) return 700 * (std::pow(10, mel / 2595) - 1);
  if (mel < kSlaneyBreak / kSlaneyLinear) return mel * kSlaneyLinear;
  return kSlaneyBreak * std::exp(kSlaneyStep * (mel - kSlaneyBreak / kSlaneyLinear));
}

/// Triangles over `places` (one for each bin) between the neighbours of each inner corner: [bins,mels], double.
at::Tensor triangles(const std::vector<double>& places, const std::vector<double>& corners) {
  const auto bins = static_cast<std::int64_t>(places.size()), mels = static_cast<std::int64_t>(corners.size()) - 2;
  at::Tensor filters = at::zeros({bins, mels}, at::kDouble);
  auto* out = filters.mutable_data_ptr<double>();
  for (std::int64_t b = 0; b < bins; ++b)
    for (std::int64_t m = 0; m < mels; ++m) {
      const auto i = static_cast<std::size_t>(m);
      const double at = places[static_cast<std::size_t>(b)];
      const double up = (at - corners[i]) / (corners[i + 1] - corners[i]);
      const double down = (corners[i + 2] - at) / (corners[i + 2] - corners[i + 1]);
      out[b * mels + m] = std::max(0.0, std::min(up, down));
    }
  return filters;
}

std::vector<double> evenly(double low, double high, std::int64_t count) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i)
    values.push_back(low + (high - low) * static_cast<double>(i) / static_cast<double>(count - 1));
  return values;
}

at::Tensor kaldi_filters(const FrontEndOptions& options, std::int64_t fft, double high) {
  std::vector<double> bins;
  const double width = static_cast<double>(options.sample_rate) / static_cast<double>(fft);
  for (std::int64_t k = 0; k < fft / 2; ++k) bins.push_back(kaldi_mel(width * static_cast<double>(k)));
  const at::Tensor filters = triangles(bins, evenly(kaldi_mel(options.low_hz), kaldi_mel(high), options.n_mels + 2));
  return at::constant_pad_nd(filters, {0, 0, 0, 1});  // the Nyquist bin counts nothing
}

at::Tensor mel_filters(const FrontEndOptions& options, double high) {
  std::vector<double> bins;
  const double width = static_cast<double>(options.sample_rate) / static_cast<double>(options.n_fft);
  for (std::int64_t k = 0; k <= options.n_fft / 2; ++k) bins.push_back(width * static_cast<double>(k));
  std::vector<double> corners =
      evenly(to_mel(options.mel_scale, options.f_min), to_mel(options.mel_scale, high), options.n_mels + 2);
  for (double& corner : corners) corner = to_hz(options.mel_scale, corner);
  at::Tensor filters = triangles(bins, corners);
  if (options.norm == MelNorm::slaney)
    for (std::int64_t m = 0; m < options.n_mels; ++m) {
      const auto i = static_cast<std::size_t>(m);
      filters.select(1, m).mul_(2 / (corners[i + 2] - corners[i]));
    }
  return filters;
}

/// The frequency that `option` means: at most 0 counts from the Nyquist frequency.
double upper_hz(const FrontEndOptions& options, const char* key, double value, double low) {
  const double nyquist = static_cast<double>(options.sample_rate) / 2;
  const double high = value <= 0 ? nyquist + value : value;
  if (high > nyquist || high <= low)
    throw ConfigError(key, "the filters would run from " + Value(low).text() + " to " + Value(high).text() + " Hz",
                      "stay between the lower end and the Nyquist frequency of " + Value(nyquist).text() + " Hz");
  return high;
}

/// Real and imaginary parts side by side, each squared: [...,2*bins].
at::Tensor squared_parts(const at::Tensor& spectrum) { return at::view_as_real(spectrum).flatten(-2).square(); }

}  // namespace

double FrontEndOptions::nepers() const {
  if (frontend == FrontEndKind::kaldi_fbank || log == Logarithm::log) return 1.0;
  return log == Logarithm::db ? std::log(10.0) / (power == 1.0 ? 20 : 10) : 0.0;
}

FrontEnd::FrontEnd(const FrontEndOptions& options) : options_(options) {
  if (options_.frontend == FrontEndKind::kaldi_fbank) {
    const double rate = static_cast<double>(options_.sample_rate) / 1000;
    length_ = static_cast<std::int64_t>(rate * options_.frame_length_ms + 1e-9);
    shift_ = static_cast<std::int64_t>(rate * options_.frame_shift_ms + 1e-9);
    if (length_ < 2) throw ConfigError("frame_length_ms", "is less than two samples", "lengthen it");
    if (shift_ < 1) throw ConfigError("frame_shift_ms", "is less than one sample", "lengthen it");
    fft_ = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(length_)));
    window_ = make_window(options_.window, length_, false);
    filters_ = kaldi_filters(options_, fft_, upper_hz(options_, "high_hz", options_.high_hz, options_.low_hz));
  } else {
    length_ = fft_ = options_.n_fft;
    shift_ = options_.hop_length;
    const std::int64_t width = options_.win_length == 0 ? fft_ : options_.win_length;
    if (width > fft_) throw ConfigError("win_length", "is longer than n_fft", "lower it, or raise n_fft");
    const std::int64_t left = (fft_ - width) / 2;
    window_ = at::constant_pad_nd(make_window(Window::hanning, width, true), {left, fft_ - width - left});
    filters_ = mel_filters(options_, upper_hz(options_, "f_max", options_.f_max, options_.f_min));
  }
  window_ = window_.to(at::kFloat);
  if (options_.frontend == FrontEndKind::kaldi_fbank || options_.power == 2.0)
    filters_ = filters_.repeat_interleave(2, 0);
  filters_ = filters_.to(at::kFloat).contiguous();
}

std::int64_t FrontEnd::frames(std::int64_t samples) const {
  if (options_.frontend == FrontEndKind::kaldi_fbank && !options_.snip_edges)
    return samples < length_ ? 0 : (samples + shift_ / 2) / shift_;
  if (options_.frontend == FrontEndKind::mel_spectrogram && options_.center) {
    const bool too_short = options_.pad_mode == PadMode::reflect ? samples <= fft_ / 2 : samples < 1;
    return too_short ? 0 : 1 + (samples + fft_ / 2 * 2 - fft_) / shift_;
  }
  return samples < length_ ? 0 : 1 + (samples - length_) / shift_;
}

std::int64_t FrontEnd::samples(std::int64_t frames) const {
  std::int64_t count = (frames - 1) * shift_;
  if (options_.frontend == FrontEndKind::kaldi_fbank && !options_.snip_edges) {
    count = std::max(length_, frames * shift_ - shift_ / 2);
  } else if (options_.frontend == FrontEndKind::mel_spectrogram && options_.center) {
    count = std::max(fft_ / 2 + 1, count + fft_ % 2);
  } else {
    count += length_;
  }
  return count;
}

at::Tensor FrontEnd::spectrogram(const at::Tensor& waveform, Rng& rng) const {
  if (frames(waveform.size(1)) == 0)
    throw DataError("has " + std::to_string(waveform.size(1)) + " samples, too few for one frame", "",
                    "leave it out, or shorten the frames");
  return options_.frontend == FrontEndKind::kaldi_fbank ? kaldi(waveform, rng) : mel(waveform);
}

/// With mirrored ends where frames may reach over the edges.
at::Tensor FrontEnd::padded(const at::Tensor& waveform) const {
  if (options_.frontend == FrontEndKind::mel_spectrogram) {
    if (!options_.center) return waveform;
    if (options_.pad_mode == PadMode::constant) return at::constant_pad_nd(waveform, {fft_ / 2, fft_ / 2});
    return at::reflection_pad1d(waveform.unsqueeze(1), {fft_ / 2, fft_ / 2}).squeeze(1);
  }
  if (options_.snip_edges) return waveform;
  // Kaldi repeats the edge samples, unlike a reflection, and frames are centred on multiples of the shift.
  const at::Tensor reversed = waveform.flip(1);
  const std::int64_t pad = length_ / 2 - shift_ / 2, size = waveform.size(1);
  if (pad > 0) return at::cat({reversed.narrow(1, size - pad, pad), waveform, reversed}, 1);
  return at::cat({waveform.narrow(1, -pad, size + pad), reversed}, 1);
}

/// Frames minus their mean, pre-emphasised and windowed. All three are linear, so the waveform is pre-emphasised once
/// and the mean comes off afterwards: each sample is touched twice, not six times.
at::Tensor FrontEnd::kaldi(const at::Tensor& waveform, Rng& rng) const {
  const at::Tensor window = window_.to(waveform.device()), filters = filters_.to(waveform.device());
  const at::Tensor signal = padded(waveform);
  const std::int64_t count = frames(waveform.size(1));
  const double kept = 1.0 - options_.preemphasis;
  const at::Tensor emphasised = signal.clone();
  emphasised.narrow(1, 1, signal.size(1) - 1).sub_(signal.narrow(1, 0, signal.size(1) - 1), options_.preemphasis);
  const at::Tensor plain = signal.unfold(1, length_, shift_), lifted = emphasised.unfold(1, length_, shift_);
  const std::int64_t block = waveform.device().is_cpu() ? kBlock : count;
  std::vector<at::Tensor> blocks;
  for (std::int64_t first = 0; first < count; first += block) {
    const std::int64_t size = std::min(block, count - first);
    const at::Tensor own = plain.narrow(1, first, size);
    at::Tensor framed = lifted.narrow(1, first, size) * window;
    framed.select(2, 0).copy_(own.select(2, 0) * window[0] * kept);  // the first sample is its own predecessor
    if (options_.remove_dc_offset) framed.addcmul_(own.mean(2, true), window, -kept);
    if (options_.dither != 0.0) add_dither(framed, window, rng);
    blocks.push_back(squared_parts(at::fft_rfft(framed, fft_)).matmul(filters));
  }
  return at::cat(blocks, 1).clamp_min_(kFloor).log_();
}

/// Noise as if it had been added to each frame before pre-emphasis.
void FrontEnd::add_dither(at::Tensor& framed, const at::Tensor& window, Rng& rng) const {
  const auto generator = at::detail::createCPUGenerator(rng.bits64());
  at::Tensor noise = at::randn(framed.sizes(), generator, at::kFloat).mul_(options_.dither);
  noise.narrow(2, 1, length_ - 1).sub_(noise.narrow(2, 0, length_ - 1).clone(), options_.preemphasis);
  noise.select(2, 0).mul_(1.0 - options_.preemphasis);
  framed.addcmul_(noise.to(framed.device()), window);
}

at::Tensor FrontEnd::mel(const at::Tensor& waveform) const {
  const at::Tensor window = window_.to(waveform.device()), filters = filters_.to(waveform.device());
  const at::Tensor spectrum = at::fft_rfft(padded(waveform).unfold(1, fft_, shift_) * window);
  const at::Tensor strength = options_.power == 2.0   ? squared_parts(spectrum)
                              : options_.power == 1.0 ? spectrum.abs()
                                                      : spectrum.abs().pow_(options_.power);
  at::Tensor mel = strength.matmul(filters);
  if (options_.log == Logarithm::none) return mel;
  if (options_.log == Logarithm::log) return mel.add_(options_.log_offset).log_();
  mel.clamp_min_(options_.power == 1.0 ? 1e-5 : 1e-10).log10_().mul_(options_.power == 1.0 ? 20 : 10);
  if (options_.top_db > 0.0) mel = at::maximum(mel, mel.amax({1, 2}, true) - options_.top_db);
  return mel;
}

}  // namespace cairn::audio

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
#include "griffin_lim.h"

namespace cairn::audio {
namespace {

constexpr double kFloor = 1.1920928955078125e-07;  // 2^-23, below which Kaldi's energies do not fall
constexpr std::int64_t kBlock = 64;  // frames at a time on the CPU, so that what is in work stays in the cache
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

// Filters are made in float32 by torchaudio's very steps: where one just touches a bin, its weight is the rounding.

double kaldi_mel(double hz) { return 1127 * std::log(1 + hz / 700); }

// Slaney's scale is linear up to 1 kHz, 66.7 Hz a mel, then logarithmic: 27 mels for a factor of 6.4.
constexpr double kSlaneyLinear = 200.0 / 3, kSlaneyBreak = 1000.0;
const double kSlaneyStep = std::log(6.4) / 27;

double to_mel(MelScale scale, double hz) {
  if (scale == MelScale::htk) return 2595 * std::log10(1 + hz / 700);
  if (hz < kSlaneyBreak) return hz / kSlaneyLinear;
  return kSlaneyBreak / kSlaneyLinear + std::log(hz / kSlaneyBreak) / kSlaneyStep;
}

at::Tensor to_hz(MelScale scale, const at::Tensor& mel) {
  if (scale == MelScale::htk) return 700 * (at::pow(10, mel / 2595) - 1);
  constexpr double kBreak = kSlaneyBreak / kSlaneyLinear;
  return at::where(mel >= kBreak, kSlaneyBreak * (kSlaneyStep * (mel - kBreak)).exp(), kSlaneyLinear * mel);
}

/// [bins,mels] from the rising and the falling flank of each filter.
at::Tensor triangles(const at::Tensor& up, const at::Tensor& down) { return at::minimum(up, down).clamp_min_(0); }

at::Tensor kaldi_filters(const FrontEndOptions& options, std::int64_t fft, double high) {
  const double low = kaldi_mel(options.low_hz);
  const double step = (kaldi_mel(high) - low) / static_cast<double>(options.n_mels + 1);
  const double width = static_cast<double>(options.sample_rate) / static_cast<double>(fft);
  const at::Tensor number = at::arange(options.n_mels, at::kFloat);
  const at::Tensor left = number * step + low, centre = (number + 1) * step + low, right = (number + 2) * step + low;
  const at::Tensor mel = 1127 * (at::arange(fft / 2, at::kFloat) * width / 700 + 1).log().unsqueeze(1);
  const at::Tensor filters = triangles((mel - left) / (centre - left), (right - mel) / (right - centre));
  return at::constant_pad_nd(filters, {0, 0, 0, 1});  // the Nyquist bin counts nothing
}

at::Tensor mel_filters(const FrontEndOptions& options, double high) {
  // torchaudio spreads the bins over whole hertz, which tells where the rate or the transform is odd.
  const at::Tensor bins = at::linspace(0, options.sample_rate / 2, options.n_fft / 2 + 1, at::kFloat).unsqueeze(1);
  const std::int64_t mels = options.n_mels;
  const at::Tensor corners = to_hz(
      options.mel_scale,
      at::linspace(to_mel(options.mel_scale, options.f_min), to_mel(options.mel_scale, high), mels + 2, at::kFloat));
  const at::Tensor wide = corners.diff(), slopes = corners - bins;
  const at::Tensor filters = triangles(-slopes.narrow(1, 0, mels) / wide.narrow(0, 0, mels),
                                       slopes.narrow(1, 2, mels) / wide.narrow(0, 1, mels));
  if (options.norm == MelNorm::none) return filters;
  return filters * (2 / (corners.narrow(0, 2, mels) - corners.narrow(0, 0, mels)));
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

/// Whether plain loops do what tensor operations would.
bool has_twin(const at::Tensor& values) { return values.device().is_cpu() && values.scalar_type() == at::kFloat; }

}  // namespace

double FrontEndOptions::nepers() const {
  if (frontend == FrontEndKind::kaldi_fbank || log == Logarithm::log) return 1.0;
  return log == Logarithm::db ? std::log(10.0) / (power == 1.0 ? 20 : 10) : 0.0;
}

double FrontEndOptions::strength_power() const { return frontend == FrontEndKind::kaldi_fbank ? 2.0 : power; }

FrontEnd::FrontEnd(const FrontEndOptions& options) : options_(options) {
  at::Tensor window, filters;
  if (is_kaldi()) {
    const double rate = static_cast<double>(options_.sample_rate) / 1000;
    const auto length = static_cast<std::int64_t>(rate * options_.frame_length_ms + 1e-9);
    const auto shift = static_cast<std::int64_t>(rate * options_.frame_shift_ms + 1e-9);
    if (length < 2) throw ConfigError("frame_length_ms", "is less than two samples", "lengthen it");
    if (shift < 1) throw ConfigError("frame_shift_ms", "is less than one sample", "lengthen it");
    const auto fft = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(length)));
    cut_ = {length, shift, fft, static_cast<float>(options_.preemphasis), options_.remove_dc_offset};
    window = make_window(options_.window, length, false);
    filters = kaldi_filters(options_, fft, upper_hz(options_, "high_hz", options_.high_hz, options_.low_hz));
  } else {
    const std::int64_t fft = options_.n_fft, width = options_.win_length == 0 ? fft : options_.win_length;
    if (width > fft) throw ConfigError("win_length", "is longer than n_fft", "lower it, or raise n_fft");
    cut_ = {fft, options_.hop_length, fft};
    const std::int64_t left = (fft - width) / 2;
    // In float32 for waveforms of any precision, as torchaudio's own.
    window = at::constant_pad_nd(at::hann_window(width, /*periodic=*/true, at::kFloat), {left, fft - width - left});
    filters = mel_filters(options_, upper_hz(options_, "f_max", options_.f_max, options_.f_min));
  }
  loop_window_ = window.to(at::kFloat).contiguous();
  window_ = media::OnDevice(window);
  filters_ = media::OnDevice(filters.to(at::kFloat).contiguous());
  bank_ = FilterBank(filters_.values().const_data_ptr<float>(), filters.size(0), filters.size(1));
}

std::int64_t FrontEnd::frames(std::int64_t samples) const {
  if (is_kaldi() && !options_.snip_edges) return samples < cut_.length ? 0 : (samples + cut_.shift / 2) / cut_.shift;
  if (!is_kaldi() && options_.center) {
    const bool too_short = options_.pad_mode == PadMode::reflect ? samples <= cut_.fft / 2 : samples < 1;
    return too_short ? 0 : 1 + (samples + cut_.fft / 2 * 2 - cut_.fft) / cut_.shift;
  }
  return samples < cut_.length ? 0 : 1 + (samples - cut_.length) / cut_.shift;
}

std::int64_t FrontEnd::samples(std::int64_t frames) const {
  std::int64_t count = (frames - 1) * cut_.shift;
  if (is_kaldi() && !options_.snip_edges) {
    count = std::max(cut_.length, frames * cut_.shift - cut_.shift / 2);
  } else if (!is_kaldi() && options_.center) {
    count = std::max(cut_.fft / 2 + 1, count + cut_.fft % 2);
  } else {
    count += cut_.length;
  }
  return count;
}

at::Tensor FrontEnd::spectrogram(const at::Tensor& waveform, Rng& rng) const {
  const std::int64_t count = frames(waveform.size(1));
  if (count == 0)
    throw DataError("has " + std::to_string(waveform.size(1)) + " samples, too few for one frame", "",
                    "leave it out, or shorten the frames");
  const at::Tensor signal = padded(waveform);
  const std::int64_t block = waveform.device().is_cpu() ? kBlock : count;
  std::vector<at::Tensor> blocks;
  for (std::int64_t first = 0; first < count; first += block) {
    const at::Tensor framed = cut(signal, first, std::min(block, count - first));
    if (is_kaldi() && options_.dither != 0.0) add_dither(framed, rng);
    blocks.push_back(filtered(at::fft_rfft(framed)));
  }
  return logarithm(at::cat(blocks, 1));
}

/// With mirrored ends where frames may reach over the edges.
at::Tensor FrontEnd::padded(const at::Tensor& waveform) const {
  if (!is_kaldi()) {
    const std::int64_t half = cut_.fft / 2;
    if (!options_.center) return waveform;
    if (options_.pad_mode == PadMode::constant) return at::constant_pad_nd(waveform, {half, half});
    return at::reflection_pad1d(waveform.unsqueeze(1), {half, half}).squeeze(1);
  }
  if (options_.snip_edges) return waveform;
  // Kaldi repeats the edge samples, unlike a reflection, and frames are centred on multiples of the shift.
  const at::Tensor reversed = waveform.flip(1);
  const std::int64_t pad = cut_.length / 2 - cut_.shift / 2, size = waveform.size(1);
  if (pad > 0) return at::cat({reversed.narrow(1, size - pad, pad), waveform, reversed}, 1);
  return at::cat({waveform.narrow(1, -pad, size + pad), reversed}, 1);
}

/// Frames minus their mean, pre-emphasised and windowed: all linear, so the mean comes off after the pre-emphasis.
at::Tensor FrontEnd::cut(const at::Tensor& signal, std::int64_t first, std::int64_t count) const {
  const std::int64_t start = first * cut_.shift, size = (count - 1) * cut_.shift + cut_.length;
  const at::Tensor part = signal.narrow(1, start, size).contiguous();
  if (has_twin(signal)) {
    at::Tensor framed = at::empty({signal.size(0), count, cut_.fft});
    for (std::int64_t row = 0; row < signal.size(0); ++row)
      cut_frames(part[row].const_data_ptr<float>(), count, cut_, loop_window_.const_data_ptr<float>(),
                 framed[row].mutable_data_ptr<float>());
    return framed;
  }
  const at::Tensor window = window_.as(signal.options()), plain = part.unfold(1, cut_.length, cut_.shift);
  if (!is_kaldi()) return plain * window;
  at::Tensor framed = plain.clone();
  framed.narrow(2, 1, cut_.length - 1).sub_(plain.narrow(2, 0, cut_.length - 1), cut_.preemphasis);
  framed.select(2, 0).mul_(1 - cut_.preemphasis);  // the first sample is its own predecessor
  if (cut_.remove_mean) framed.sub_(plain.mean(2, true), 1 - cut_.preemphasis);
  return at::constant_pad_nd(framed.mul_(window), {0, cut_.fft - cut_.length});
}

/// Noise as if it had been added to each frame before pre-emphasis.
void FrontEnd::add_dither(const at::Tensor& framed, Rng& rng) const {
  const auto generator = at::detail::createCPUGenerator(rng.bits64());
  const std::int64_t length = cut_.length;
  at::Tensor noise = at::randn({framed.size(0), framed.size(1), length}, generator, at::kFloat).mul_(options_.dither);
  noise.narrow(2, 1, length - 1).sub_(noise.narrow(2, 0, length - 1).clone(), cut_.preemphasis);
  noise.select(2, 0).mul_(1 - cut_.preemphasis);
  framed.narrow(2, 0, length)
      .addcmul_(media::sent_to(noise, framed.device()).to(framed.options()), window_.as(framed.options()));
}

at::Tensor FrontEnd::filtered(const at::Tensor& spectrum) const {
  const double power = options_.strength_power();
  const at::Tensor parts = at::view_as_real(spectrum.contiguous());
  if (has_twin(parts) && (power == 2.0 || power == 1.0)) {
    at::Tensor mel = at::empty({parts.size(0), parts.size(1), options_.n_mels});
    bank_.apply(parts.const_data_ptr<float>(), parts.size(0) * parts.size(1), power == 1.0,
                mel.mutable_data_ptr<float>());
    return mel;
  }
  return (power == 2.0 ? parts.square().sum(-1) : spectrum.abs().pow_(power)).matmul(filters_.as(parts.options()));
}

at::Tensor FrontEnd::logarithm(at::Tensor mel) const {
  if (is_kaldi()) return mel.clamp_min_(kFloor).log_();
  if (options_.log == Logarithm::none) return mel;
  if (options_.log == Logarithm::log) return mel.add_(options_.log_offset).log_();
  mel.clamp_min_(options_.power == 1.0 ? 1e-5 : 1e-10).log10_().mul_(options_.power == 1.0 ? 20 : 10);
  if (options_.top_db > 0.0) mel = at::maximum(mel, mel.amax({1, 2}, true) - options_.top_db);
  return mel;
}

at::Tensor FrontEnd::without_logarithm(const at::Tensor& mel) const {
  if (options_.nepers() == 0.0) return mel;
  const at::Tensor strength = (mel * options_.nepers()).exp();
  return is_kaldi() || options_.log == Logarithm::db ? strength : strength - options_.log_offset;
}

at::Tensor FrontEnd::waveform(const at::Tensor& spectrogram) const {
  if (cut_.shift >= cut_.fft) return {};
  const at::Tensor mel = without_logarithm(spectrogram.detach().to(at::kCPU, at::kFloat));
  const at::Tensor strength = mel.matmul(at::linalg_pinv(filters_.values())).clamp_min_(0);  // [frames,bins]
  at::Tensor magnitude = strength.pow(1 / options_.strength_power());
  if (cut_.preemphasis > 0) {
    const at::Tensor turn = at::linspace(0, kPi, magnitude.size(1));
    magnitude = magnitude / (1 + cut_.preemphasis * cut_.preemphasis - 2 * cut_.preemphasis * turn.cos()).sqrt();
  }
  const std::int64_t width = 2 * cut_.shift > window_.values().size(0) ? cut_.fft : window_.values().size(0),
                     left = (cut_.fft - width) / 2;
  const at::Tensor window = make_window(Window::hanning, width, true).to(at::kFloat);
  return griffin_lim(magnitude.t().contiguous(), at::constant_pad_nd(window, {left, cut_.fft - width - left}),
                     cut_.shift);
}

}  // namespace cairn::audio

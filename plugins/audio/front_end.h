#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "cairn/options.h"
#include "cairn/rng.h"

namespace cairn::audio {

enum class FrontEndKind : std::uint8_t { kaldi_fbank, mel_spectrogram };
enum class Window : std::uint8_t { hanning, povey, hamming, rectangular };
enum class MelScale : std::uint8_t { htk, slaney };
enum class MelNorm : std::uint8_t { none, slaney };
enum class PadMode : std::uint8_t { reflect, constant };
enum class Logarithm : std::uint8_t { none, log, db };

/// From a waveform to a spectrogram: what torchaudio's compliance.kaldi.fbank, or torchaudio's and librosa's mel
/// spectrogram, are told. Lengths of the first are in milliseconds, of the second in samples.
struct FrontEndOptions {
  FrontEndKind frontend = FrontEndKind::kaldi_fbank;
  std::int64_t sample_rate = 16000;
  std::int64_t n_mels = 128;

  double frame_length_ms = 25.0;
  double frame_shift_ms = 10.0;
  Window window = Window::hanning;
  double low_hz = 20.0;
  double high_hz = 0.0;
  double preemphasis = 0.97;
  bool remove_dc_offset = true;
  bool snip_edges = true;
  double dither = 0.0;

  std::int64_t n_fft = 400;
  std::int64_t win_length = 0;
  std::int64_t hop_length = 160;
  double f_min = 0.0;
  double f_max = 0.0;
  MelScale mel_scale = MelScale::htk;
  MelNorm norm = MelNorm::none;
  double power = 2.0;
  Logarithm log = Logarithm::log;
  bool center = true;
  PadMode pad_mode = PadMode::reflect;
  double log_offset = 1.1920928955078125e-07;
  double top_db = 0.0;

  /// Natural logarithms in one unit of the values; 0 where the values are no logarithms.
  double nepers() const;
};

/// Computes spectrograms on whatever device the waveform is on: one implementation for loader threads and batches.
/// Kaldi's filter bank is Povey et al.'s as torchaudio 2.11 computes it (triangles linear in mel, Nyquist left out);
/// the mel spectrogram has triangles linear in Hz on the HTK or Slaney scale (O'Shaughnessy 1987; Slaney 1998).
class FrontEnd {
 public:
  /// ConfigError if the options contradict each other.
  explicit FrontEnd(const FrontEndOptions& options);

  /// Waveforms [B,T] in [-1, 1] to spectrograms [B,frames,mels]. DataError where T is too short for one frame.
  /// `rng` draws the dither.
  at::Tensor spectrogram(const at::Tensor& waveform, Rng& rng) const;
  /// Number of frames of a waveform of `samples` samples; 0 where it is too short.
  std::int64_t frames(std::int64_t samples) const;
  /// The fewest samples that give `frames` frames.
  std::int64_t samples(std::int64_t frames) const;

 private:
  at::Tensor kaldi(const at::Tensor& waveform, Rng& rng) const;
  at::Tensor mel(const at::Tensor& waveform) const;
  at::Tensor padded(const at::Tensor& waveform) const;
  void add_dither(at::Tensor& framed, const at::Tensor& window, Rng& rng) const;

  FrontEndOptions options_;
  std::int64_t length_ = 0, shift_ = 0, fft_ = 0;  // in samples
  at::Tensor window_;                              // [length_]
  // [bins,mels], or [2*bins,mels] with each row twice: for squared real and imaginary parts side by side.
  at::Tensor filters_;
};

}  // namespace cairn::audio

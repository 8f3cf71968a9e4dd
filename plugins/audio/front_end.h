#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "cairn/options.h"
#include "cairn/rng.h"
#include "filter_bank.h"
#include "media/on_device.h"

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
  /// 2 where bands hold power, 1 where they hold magnitude.
  double strength_power() const;
};

/// Computes spectrograms on whatever device the waveform is on. Cutting and filtering have a twin of plain loops for
/// the CPU, where the loader's threads spend their time. Kaldi's filter bank is Povey et al.'s as torchaudio 2.11
/// computes it (triangles linear in mel, Nyquist left out); the mel spectrogram has triangles linear in Hz on the HTK
/// or Slaney scale (O'Shaughnessy 1987; Slaney 1998).
class FrontEnd {
 public:
  /// ConfigError if the options contradict each other.
  explicit FrontEnd(const FrontEndOptions& options);

  /// Waveforms [B,T] in [-1, 1] to spectrograms [B,frames,mels]. DataError where T is too short for one frame.
  /// `rng` draws the dither. In double precision where the waveforms are.
  at::Tensor spectrogram(const at::Tensor& waveform, Rng& rng) const;
  /// A waveform [T] on the CPU whose spectrogram is close to [frames,mels]; undefined where frames do not overlap.
  /// Phases are guessed, and so is what the filters do not tell.
  at::Tensor waveform(const at::Tensor& spectrogram) const;
  /// Number of frames of a waveform of `samples` samples; 0 where it is too short.
  std::int64_t frames(std::int64_t samples) const;
  /// The fewest samples that give `frames` frames.
  std::int64_t samples(std::int64_t frames) const;

 private:
  bool is_kaldi() const { return options_.frontend == FrontEndKind::kaldi_fbank; }
  at::Tensor padded(const at::Tensor& waveform) const;
  /// Windowed frames `first` to `first + count` of a padded signal [B,T]: [B,count,fft].
  at::Tensor cut(const at::Tensor& signal, std::int64_t first, std::int64_t count) const;
  void add_dither(const at::Tensor& framed, Rng& rng) const;
  /// Spectra [B,F,bins] to filtered strengths [B,F,mels].
  at::Tensor filtered(const at::Tensor& spectrum) const;
  at::Tensor logarithm(at::Tensor mel) const;
  at::Tensor without_logarithm(const at::Tensor& mel) const;

  FrontEndOptions options_;
  FrameCut cut_;
  media::OnDevice window_;   // [length]
  at::Tensor loop_window_;   // the same for plain loops
  media::OnDevice filters_;  // [bins,mels]
  FilterBank bank_;          // the same for plain loops
};

}  // namespace cairn::audio

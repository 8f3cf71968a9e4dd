#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "audio_modality.h"

namespace cairn::audio {

/// What a published front end does: spectrograms, or resampling alone.
enum class PublishedFrontEnd : std::uint8_t { kaldi_fbank, mel_spectrogram, resample };

struct PublishedOptions : FrontEndOptions {
  PublishedFrontEnd published = PublishedFrontEnd::kaldi_fbank;
  std::string path;
  std::int64_t size = 0;
  std::int64_t from = 0;
  std::int64_t to = 0;
  Resampler resampler = Resampler::sinc;
  static Schema<PublishedOptions> schema();
};

/// Waveforms as published front ends turn them into spectrograms [1,frames,mels], or into waveforms of another rate.
/// Nothing is normalised, and a view is one patch: for feature extraction and golden cases, not for training.
class PublishedModality : public AudioModality {
 public:
  explicit PublishedModality(const PublishedOptions& options);

  std::unique_ptr<SampleSource> open(Split split, Purpose purpose) const override;
  /// Waveforms [B,1,T] of any length to spectrograms [B,1,frames,mels], or to waveforms [B,1,T'].
  void prepare(Batch& batch, Purpose purpose, Rng& rng) const override;

 private:
  at::Tensor precise(const at::Tensor& waveforms, Rng& rng) const;

  PublishedOptions options_;
};

}  // namespace cairn::audio

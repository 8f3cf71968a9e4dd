#include "published.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <span>

#include "audio_schema.h"
#include "cairn/error.h"

namespace cairn::audio {
namespace {

AudioOptions audio_options(const PublishedOptions& options) {
  AudioOptions all;
  static_cast<FrontEndOptions&>(all) = options;
  if (options.published == PublishedFrontEnd::mel_spectrogram) all.frontend = FrontEndKind::mel_spectrogram;
  if (options.size > 0) all.size = options.size;
  all.patch = {all.size, all.n_mels};
  all.evaluate_place = 0;
  all.compute = Compute::device;
  all.normalise = Normalise::none;
  all.resampler = options.resampler;
  return all;
}

/// Waveforms [B,1,T] at another rate, on the CPU.
at::Tensor resampled(const at::Tensor& waveforms, const PublishedOptions& options) {
  const at::Tensor given = waveforms.flatten(0, 1).to(at::kCPU, at::kFloat).contiguous();
  std::vector<at::Tensor> rows;
  for (const at::Tensor& row : given.unbind(0)) {
    const std::span samples(row.const_data_ptr<float>(), static_cast<std::size_t>(row.numel()));
    rows.push_back(at::tensor(resample(samples, options.from, options.to, options.resampler), at::kFloat));
  }
  return at::stack(rows).unsqueeze(1).to(waveforms.device());
}

}  // namespace

Schema<PublishedOptions> PublishedOptions::schema() {
  using O = PublishedOptions;
  Schema<O> s(
      "Waveforms as published front ends prepare them: filter banks, spectrograms, resampling; not for training");
  s.option("frontend", &O::published,
           {{"kaldi_fbank", PublishedFrontEnd::kaldi_fbank},
            {"mel_spectrogram", PublishedFrontEnd::mel_spectrogram},
            {"resample", PublishedFrontEnd::resample}},
           "Kaldi's log filter bank, torchaudio's and librosa's mel spectrogram, or another rate alone");
  s.option("path", &O::path, "folder of recordings, or one recording").path();
  s.option("size", &O::size, "frames of a view where recordings are read; 0: 1024").range(0, 1 << 20);
  add_front_end_options(s);
  s.option("from", &O::from, "resample: samples a second given").range(0, 1 << 22);
  s.option("to", &O::to, "resample: samples a second wanted").range(0, 1 << 22);
  s.option("resampler", &O::resampler, {{"sinc", Resampler::sinc}, {"soxr", Resampler::soxr}},
           "torchaudio's filter, or libsoxr's high quality");
  return s;
}

PublishedModality::PublishedModality(const PublishedOptions& options)
    : AudioModality(audio_options(options),
                    [path = options.path](Split split) {
                      return open_clips(path, {"", "", {}, 0}, {}, split);
                    }),
      options_(options) {
  if (options.published == PublishedFrontEnd::resample && (options.from < 1 || options.to < 1))
    throw ConfigError(options.from < 1 ? "from" : "to", "is needed to resample", "give both rates in samples a second");
}

std::unique_ptr<SampleSource> PublishedModality::open(Split split, Purpose purpose) const {
  if (options_.published == PublishedFrontEnd::resample)
    throw ConfigError("frontend", "resampling alone makes no views of recordings", "choose a spectrogram");
  return AudioModality::open(split, purpose);
}

/// In double precision: what lies far below the loudest band of a frame is rounding in single.
at::Tensor PublishedModality::precise(const at::Tensor& waveforms, Rng& rng) const {
  return front_end().spectrogram(waveforms.to(at::kDouble), rng).to(at::kFloat);
}

void PublishedModality::prepare(Batch& batch, Purpose, Rng& rng) const {
  for (View& view : batch.views)
    view.data = options_.published == PublishedFrontEnd::resample ? resampled(view.data, options_)
                                                                  : precise(view.data.squeeze(1), rng).unsqueeze(1);
}

}  // namespace cairn::audio

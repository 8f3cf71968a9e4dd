#pragma once

#include <string>
#include <utility>

#include "audio_modality.h"

namespace cairn::audio {

/// An option of O that one of its bases holds.
template <class O, class B, class T>
OptionSpec& option(Schema<O>& schema, const char* name, T B::*member, std::string doc) {
  return schema.option(name, static_cast<T O::*>(member), std::move(doc));
}

template <class O, class B, class E>
OptionSpec& option(Schema<O>& schema, const char* name, E B::*member, Choices<E> choices, std::string doc) {
  return schema.option(name, static_cast<E O::*>(member), choices, std::move(doc));
}

/// The options of the front end, but for its kind.
template <class O>
void add_front_end_options(Schema<O>& s) {
  option(s, "sample_rate", &O::sample_rate, "samples a second that recordings are brought to").range(100, 1 << 20);
  option(s, "n_mels", &O::n_mels, "mel bands").range(1, 1024);
  option(s, "frame_length_ms", &O::frame_length_ms, "kaldi_fbank: window, cut to whole samples").range(0.01, 1e4);
  option(s, "frame_shift_ms", &O::frame_shift_ms, "kaldi_fbank: step between frames, cut to whole samples")
      .range(0.01, 1e4);
  option(s, "window", &O::window,
         Choices<Window>{{"hanning", Window::hanning},
                         {"povey", Window::povey},
                         {"hamming", Window::hamming},
                         {"rectangular", Window::rectangular}},
         "kaldi_fbank: symmetric window; povey, Kaldi's own, is hanning to the power of 0.85");
  option(s, "low_hz", &O::low_hz, "kaldi_fbank: lower end of the filters").range(0, 1e6);
  option(s, "high_hz", &O::high_hz, "kaldi_fbank: upper end; 0 and below count from the Nyquist frequency")
      .range(-1e6, 1e6);
  option(s, "preemphasis", &O::preemphasis, "kaldi_fbank: share of the sample before that is taken off").range(0, 1);
  option(s, "remove_dc_offset", &O::remove_dc_offset, "kaldi_fbank: take the mean off each frame");
  option(s, "snip_edges", &O::snip_edges, "kaldi_fbank: only whole frames; else the ends are mirrored");
  option(s, "dither", &O::dither, "kaldi_fbank: deviation of the noise added to each frame").range(0, 1);
  option(s, "n_fft", &O::n_fft, "mel_spectrogram: length of the transform").range(2, 1 << 16);
  option(s, "win_length", &O::win_length, "mel_spectrogram: length of the periodic Hann window; 0: n_fft")
      .range(0, 1 << 16);
  option(s, "hop_length", &O::hop_length, "mel_spectrogram: samples between frames").range(1, 1 << 16);
  option(s, "f_min", &O::f_min, "mel_spectrogram: lower end of the filters in Hz").range(0, 1e6);
  option(s, "f_max", &O::f_max, "mel_spectrogram: upper end; 0: the Nyquist frequency").range(0, 1e6);
  option(s, "mel_scale", &O::mel_scale, Choices<MelScale>{{"htk", MelScale::htk}, {"slaney", MelScale::slaney}},
         "mel_spectrogram: how mels and Hz are related");
  option(s, "norm", &O::norm, Choices<MelNorm>{{"none", MelNorm::none}, {"slaney", MelNorm::slaney}},
         "mel_spectrogram: slaney divides each filter by its width");
  option(s, "power", &O::power, "mel_spectrogram: 2 for power, 1 for magnitude").range(0.1, 10);
  option(s, "log", &O::log,
         Choices<Logarithm>{{"log", Logarithm::log}, {"db", Logarithm::db}, {"none", Logarithm::none}},
         "mel_spectrogram: ln(mel + log_offset), decibels, or the values as they are");
  option(s, "center", &O::center, "mel_spectrogram: pad half a transform at both ends");
  option(s, "pad_mode", &O::pad_mode, Choices<PadMode>{{"reflect", PadMode::reflect}, {"constant", PadMode::constant}},
         "mel_spectrogram: what stands there, the mirrored signal or zeros");
  option(s, "log_offset", &O::log_offset, "mel_spectrogram: added before the logarithm").range(1e-30, 1);
  option(s, "top_db", &O::top_db, "mel_spectrogram: decibels kept below the loudest value; 0: all").range(0, 1000);
}

}  // namespace cairn::audio

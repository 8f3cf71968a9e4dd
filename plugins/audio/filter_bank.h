#pragma once

#include <cstdint>
#include <vector>

namespace cairn::audio {

/// How frames are cut from a waveform.
struct FrameCut {
  std::int64_t length = 0, shift = 0;  // in samples
  std::int64_t fft = 0;                // frames are filled with zeros to this length
  float preemphasis = 0;               // share of the sample before that is taken off; the first is its own predecessor
  bool remove_mean = false;            // of each frame, before that
};

/// `count` windowed frames from `signal` on, to `out` [count,fft]. Float on the CPU: the twin of FrontEnd's tensor
/// code.
void cut_frames(const float* signal, std::int64_t count, const FrameCut& cut, const float* window, float* out);

/// Filters of which each takes a run of neighbouring bins, as triangles do: the twin of a matrix product, which would
/// multiply mostly zeros.
class FilterBank {
 public:
  FilterBank() = default;
  /// `filters` [bins,mels].
  FilterBank(const float* filters, std::int64_t bins, std::int64_t mels);

  /// The power of spectra [count,bins,2] (real and imaginary parts), or their magnitudes, filtered to `out`
  /// [count,mels].
  void apply(const float* spectra, std::int64_t count, bool magnitude, float* out) const;

 private:
  struct Filter {
    std::int64_t first = 0, size = 0;
    std::size_t weight = 0;  // where its weights begin
  };

  std::int64_t bins_ = 0;
  std::vector<Filter> filters_;
  std::vector<float> weight_;
};

}  // namespace cairn::audio

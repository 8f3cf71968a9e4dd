#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cairn::audio {

/// `sinc` is the filter of torchaudio.functional.resample: Hann-windowed sinc, 6 zero crossings, roll-off 0.99.
/// `soxr` is libsoxr's high-quality setting: longer, steeper, slower.
enum class Resampler : std::uint8_t { sinc, soxr };

/// The waveform at rate `to`, ceil(T * to / from) samples. DataError where `sinc` would need a filter of immoderate
/// size.
std::vector<float> resample(std::span<const float> waveform, std::int64_t from, std::int64_t to, Resampler resampler);

}  // namespace cairn::audio

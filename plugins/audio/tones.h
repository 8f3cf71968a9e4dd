#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sound.h"

namespace cairn::audio {

/// How hard the procedural tones are: signal-to-noise ratio in decibels, octaves of pitch, most clicks.
struct TonesDifficulty {
  double snr_low = 6, snr_high = 24;
  double octaves = 2;
  std::int64_t clicks = 3;
};

/// The twelve classes in the order of their indices: timbre, direction and rhythm.
const std::vector<std::string>& tone_names();

/// Plays tone `index` of part `part`, `seconds` long, class index mod 12: bright (all harmonics) or hollow (odd ones),
/// rising, falling or steady in pitch, held or pulsed. Pitch, onset, length, loudness, the colour of the noise and
/// clicks tell nothing. Depends only on the arguments.
Sound play_tone(std::uint64_t seed, std::uint64_t part, std::uint64_t index, std::int64_t rate, double seconds,
                const TonesDifficulty& difficulty);

}  // namespace cairn::audio

#include "tones.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "augment.h"
#include "cairn/rng.h"

namespace cairn::audio {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;
constexpr int kHarmonics = 8;

/// White noise of deviation 1 from four uniform numbers a value: thousands are needed, too many for Rng.
class Noise {
 public:
  explicit Noise(std::uint64_t state) : state_(state) {}

  float next() {
    std::uint64_t bits = state_ += 0x9E3779B97F4A7C15ULL;
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9ULL;
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBULL;
    bits ^= bits >> 31;
    const auto sum =
        static_cast<std::int64_t>((bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48)) -
        2 * 0xFFFF;
    return static_cast<float>(sum) * (1.7320508F / 65536.0F);
  }

 private:
  std::uint64_t state_;
};

/// What a class fixes and what is drawn for one tone.
struct Tone {
  bool is_hollow = false, is_pulsed = false;
  int direction = 0;                         // 1 rising, -1 falling, 0 steady
  double pitch = 0;                          // Hz in the middle
  double span = 0;                           // octaves from start to end
  double onset = 0, length = 0, pulses = 0;  // seconds, seconds, a second
  double tilt = 0;                           // how fast harmonics weaken
};

Tone draw(std::uint64_t kind, double seconds, const TonesDifficulty& difficulty, Rng& rng) {
  Tone tone;
  tone.is_hollow = kind % 2 == 1;
  tone.is_pulsed = kind / 2 % 2 == 1;
  tone.direction = kind / 4 == 0 ? 0 : kind / 4 == 1 ? 1 : -1;
  tone.pitch = 140 * std::exp2(rng.uniform(0, difficulty.octaves));
  tone.span = tone.direction * rng.uniform(0.5, 1.0);
  tone.length = seconds * rng.uniform(0.55, 0.85);
  tone.onset = rng.uniform(0, seconds - tone.length);
  tone.pulses = rng.uniform(6, 12);
  tone.tilt = rng.uniform(0.6, 1.0);
  return tone;
}

/// Loudness at share `at` of the tone: soft ends, and pulses where it has them.
double envelope(const Tone& tone, double at) {
  const double time = at * tone.length;
  const double ends = std::min({1.0, time / 0.02, (tone.length - time) / 0.02});
  if (!tone.is_pulsed) return ends;
  const double beat = std::sin(kTurn * tone.pulses * time / 2);
  return ends * (beat * beat > 0.5 ? 1.0 : 0.05);
}

/// Adds the tone to `out`. Harmonic k follows from the two before it: sin kx = 2 cos x sin (k-1)x - sin (k-2)x.
void add_tone(const Tone& tone, std::int64_t rate, std::vector<float>& out) {
  const auto begin = static_cast<std::size_t>(tone.onset * static_cast<double>(rate));
  const auto count = static_cast<std::size_t>(tone.length * static_cast<double>(rate));
  float weight[kHarmonics + 1] = {};
  for (int k = 1; k <= kHarmonics; ++k)
    if (!tone.is_hollow || k % 2 == 1) weight[k] = static_cast<float>(std::pow(k, -tone.tilt));
  const double nyquist = static_cast<double>(rate) / 2;
  double phase = 0;
  for (std::size_t i = 0; i < count && begin + i < out.size(); ++i) {
    const double at = static_cast<double>(i) / static_cast<double>(count);
    const double pitch = tone.pitch * std::exp2(tone.span * (at - 0.5));
    phase += kTurn * pitch / static_cast<double>(rate);
    float before = 0, now = static_cast<float>(std::sin(phase)), sum = 0;
    const float twice = 2 * static_cast<float>(std::cos(phase));
    const int highest = std::min(kHarmonics, static_cast<int>(nyquist / pitch));
    for (int k = 1; k <= highest; ++k) {
      sum += weight[k] * now;
      before = std::exchange(now, twice * now - before);
    }
    out[begin + i] += sum * static_cast<float>(envelope(tone, at));
  }
}

/// Noise between white and brown, everywhere: silence would be free to predict.
void add_noise(double level, Rng& rng, std::vector<float>& out) {
  Noise noise(rng.bits64());
  const auto colour = static_cast<float>(rng.uniform(0, 0.9));
  const auto scale = static_cast<float>(level) * std::sqrt(1 - colour * colour);
  float last = 0;
  for (float& value : out) {
    last = colour * last + noise.next() * scale;
    value += last;
  }
}

void add_click(double level, std::int64_t rate, Rng& rng, std::vector<float>& out) {
  Noise noise(rng.bits64());
  const auto at = static_cast<std::size_t>(rng.integer(0, static_cast<std::int64_t>(out.size()) - 1));
  const auto decay = static_cast<float>(std::exp(-1 / (0.004 * static_cast<double>(rate))));
  auto height = static_cast<float>(level);
  for (std::size_t i = at; i < out.size() && height > 1e-4F; ++i, height *= decay) out[i] += height * noise.next();
}

}  // namespace

const std::vector<std::string>& tone_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const char* direction : {"steady", "rising", "falling"})
      for (const char* rhythm : {"held", "pulsed"})
        for (const char* timbre : {"bright", "hollow"})
          all.push_back(std::string(timbre) + " " + direction + " " + rhythm);
    return all;
  }();
  return names;
}

Sound play_tone(std::uint64_t seed, std::uint64_t part, std::uint64_t index, std::int64_t rate, double seconds,
                const TonesDifficulty& difficulty) {
  Rng rng(seed, Stream::user, part, index);
  Sound sound{std::vector<float>(static_cast<std::size_t>(std::ceil(seconds * static_cast<double>(rate)))), rate};
  const Tone tone = draw(index % tone_names().size(), seconds, difficulty, rng);
  add_tone(tone, rate, sound.samples);
  const double level = root_mean_square(sound.samples);
  add_noise(level * std::pow(10, -rng.uniform(difficulty.snr_low, difficulty.snr_high) / 20), rng, sound.samples);
  const std::int64_t clicks = rng.integer(0, difficulty.clicks);
  for (std::int64_t i = 0; i < clicks; ++i) add_click(3 * level, rate, rng, sound.samples);
  const double loudness = std::pow(10, rng.uniform(-30, -6) / 20) / std::max(1e-9, root_mean_square(sound.samples));
  for (float& value : sound.samples) value *= static_cast<float>(loudness);
  return sound;
}

}  // namespace cairn::audio

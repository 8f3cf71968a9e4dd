#include "resample.h"

#include <soxr.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <numbers>
#include <numeric>
#include <utility>

#include "cairn/error.h"

namespace cairn::audio {
namespace {

constexpr double kZeroCrossings = 6, kRollOff = 0.99;
constexpr std::size_t kLane = 8;  // taps come in multiples of this, so that the compiler makes vectors of them

/// The filter for one pair of rates: output q * up + p is the product of phase p with the input from
/// q * down + first[p] on.
struct Polyphase {
  std::int64_t down = 1, up = 1;  // the rates without their common divisor
  std::size_t taps = 0;
  std::vector<std::int64_t> first;
  std::vector<float> weight;  // [up,taps]
};

Polyphase design(std::int64_t down, std::int64_t up) {
  Polyphase filter{down, up};
  const double cutoff = static_cast<double>(std::min(down, up)) * kRollOff / static_cast<double>(down);
  const double reach = kZeroCrossings / cutoff;  // in input samples, to either side
  filter.taps = (static_cast<std::size_t>(std::ceil(2 * reach)) + 1 + kLane - 1) / kLane * kLane;
  filter.weight.assign(filter.taps * static_cast<std::size_t>(up), 0.0F);
  for (std::int64_t p = 0; p < up; ++p) {
    const double centre = static_cast<double>(p * down) / static_cast<double>(up);
    const auto first = static_cast<std::int64_t>(std::ceil(centre - reach));
    filter.first.push_back(first);
    for (std::size_t k = 0; k < filter.taps; ++k) {
      const double t = (static_cast<double>(first) + static_cast<double>(k) - centre) * cutoff;
      if (std::abs(t) >= kZeroCrossings) continue;
      const double hann = std::cos(t * std::numbers::pi / kZeroCrossings / 2);
      const double sinc = t == 0 ? 1 : std::sin(t * std::numbers::pi) / (t * std::numbers::pi);
      filter.weight[static_cast<std::size_t>(p) * filter.taps + k] = static_cast<float>(sinc * hann * hann * cutoff);
    }
  }
  return filter;
}

/// A data set has few rates, so each filter is designed once.
std::shared_ptr<const Polyphase> filter_for(std::int64_t from, std::int64_t to) {
  static std::mutex mutex;
  static std::map<std::pair<std::int64_t, std::int64_t>, std::shared_ptr<const Polyphase>> known;
  const std::int64_t divisor = std::gcd(from, to);
  const std::lock_guard lock(mutex);
  auto& filter = known[{from / divisor, to / divisor}];
  if (!filter) filter = std::make_shared<const Polyphase>(design(from / divisor, to / divisor));
  return filter;
}

float product(const float* a, const float* b, std::size_t count) {
  float sums[kLane] = {};
  for (std::size_t i = 0; i < count; i += kLane)
    for (std::size_t lane = 0; lane < kLane; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  float sum = 0;
  for (const float part : sums) sum += part;
  return sum;
}

void sinc(std::span<const float> waveform, const Polyphase& filter, std::vector<float>& out) {
  const auto margin = static_cast<std::int64_t>(filter.taps);
  std::vector<float> padded(waveform.size() + 3 * filter.taps + static_cast<std::size_t>(filter.down));
  std::copy(waveform.begin(), waveform.end(), padded.begin() + margin);
  std::int64_t start = margin, phase = 0;
  for (float& value : out) {
    value = product(&padded[static_cast<std::size_t>(start + filter.first[static_cast<std::size_t>(phase)])],
                    &filter.weight[static_cast<std::size_t>(phase) * filter.taps], filter.taps);
    if (++phase == filter.up) phase = 0, start += filter.down;
  }
}

void soxr(std::span<const float> waveform, std::int64_t from, std::int64_t to, std::vector<float>& out) {
  const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  const soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
  std::size_t written = 0;
  const soxr_error_t error =
      soxr_oneshot(static_cast<double>(from), static_cast<double>(to), 1, waveform.data(), waveform.size(), nullptr,
                   out.data(), out.size(), &written, &io, &quality, &runtime);
  if (error != nullptr) throw Error(std::string("libsoxr cannot resample: ") + error);
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(written), out.end(), 0.0F);
}

}  // namespace

std::vector<float> resample(std::span<const float> waveform, std::int64_t from, std::int64_t to, Resampler resampler) {
  if (from == to) return {waveform.begin(), waveform.end()};
  const auto size = static_cast<std::int64_t>(waveform.size());
  std::vector<float> out(static_cast<std::size_t>((size * to + from - 1) / from));
  if (out.empty()) return out;
  if (resampler == Resampler::sinc) {
    sinc(waveform, *filter_for(from, to), out);
  } else {
    soxr(waveform, from, to, out);
  }
  return out;
}

}  // namespace cairn::audio

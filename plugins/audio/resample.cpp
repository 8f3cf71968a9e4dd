#include "resample.h"

#include <soxr.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <numbers>
#include <numeric>
#include <utility>

#include "cairn/error.h"
#include "lanes.h"

namespace cairn::audio {
namespace {

constexpr double kZeroCrossings = 6, kRollOff = 0.99;
constexpr std::size_t kMostWeights = 1 << 22;  // of one filter, 16 MiB
constexpr std::size_t kMostFilters = 64;
constexpr std::int64_t kRows = 4;  // periods that share a load of the weights
constexpr auto kWide = static_cast<std::int64_t>(kLanes);

/// kLanes neighbouring outputs: input `first + i` counts `weight[i][lane]` in output `lane`.
struct FilterBlock {
  std::int64_t first = 0;
  std::size_t taps = 0;
  std::size_t weight = 0;  // where its weights begin
};

/// The filter for one pair of rates. Everything repeats after a period: `outputs` from `inputs`.
struct Polyphase {
  std::int64_t outputs = 0, inputs = 0;
  std::vector<FilterBlock> blocks;
  std::vector<float> weight;
  std::int64_t before = 0, behind = 0;  // how far blocks reach over the start and the end of a period's inputs
};

Polyphase design(std::int64_t down, std::int64_t up) {
  Polyphase filter;
  filter.outputs = std::lcm(kWide, up);
  filter.inputs = filter.outputs / up * down;
  const double cutoff = static_cast<double>(std::min(down, up)) * kRollOff / static_cast<double>(down);
  const double reach = kZeroCrossings / cutoff;  // in inputs, to either side
  const double step = static_cast<double>(down) / static_cast<double>(up);
  if (static_cast<double>(filter.outputs) * (2 * reach + static_cast<double>(kLanes) * step) > kMostWeights)
    throw DataError("its rate has too little in common with sample_rate for the sinc filter", "",
                    "set resampler = \"soxr\", or leave the file out");
  for (std::int64_t output = 0; output < filter.outputs; output += kWide) {
    FilterBlock block;
    block.first = static_cast<std::int64_t>(std::ceil(static_cast<double>(output) * step - reach));
    const auto last = static_cast<std::int64_t>(std::floor(static_cast<double>(output + kWide - 1) * step + reach));
    block.taps = static_cast<std::size_t>(last - block.first + 1);
    block.weight = filter.weight.size();
    filter.before = std::max(filter.before, -block.first);
    filter.behind = std::max(filter.behind, last + 1 - filter.inputs);
    for (std::int64_t i = block.first; i <= last; ++i)
      for (std::int64_t lane = 0; lane < kWide; ++lane) {
        const double t = static_cast<double>(i * up - (output + lane) * down) / static_cast<double>(up) * cutoff;
        const double hann = std::cos(t * std::numbers::pi / kZeroCrossings / 2);
        const double sinc = t == 0 ? 1 : std::sin(t * std::numbers::pi) / (t * std::numbers::pi);
        filter.weight.push_back(std::abs(t) < kZeroCrossings ? static_cast<float>(sinc * hann * hann * cutoff) : 0);
      }
    filter.blocks.push_back(block);
  }
  return filter;
}

/// A data set has few rates, so each filter is designed once.
std::shared_ptr<const Polyphase> filter_for(std::int64_t from, std::int64_t to) {
  static std::mutex mutex;
  static std::map<std::pair<std::int64_t, std::int64_t>, std::shared_ptr<const Polyphase>> known;
  const std::int64_t divisor = std::gcd(from, to);
  const std::lock_guard lock(mutex);
  if (known.size() >= kMostFilters) known.clear();  // files that lie about their rates
  auto& filter = known[{from / divisor, to / divisor}];
  if (!filter) filter = std::make_shared<const Polyphase>(design(from / divisor, to / divisor));
  return filter;
}

/// One block in kRows periods: `input` and `out` are those of the first.
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void filter_block(
    const float* input, std::int64_t inputs, const float* weight, std::size_t taps, float* out, std::int64_t outputs) {
  Lanes sums[kRows] = {};
  for (std::size_t i = 0; i < taps; ++i) {
    Lanes lanes;
    std::memcpy(&lanes, weight + i * kLanes, sizeof(lanes));
    for (std::int64_t row = 0; row < kRows; ++row)
      sums[row] += input[row * inputs + static_cast<std::int64_t>(i)] * lanes;
  }
  for (std::int64_t row = 0; row < kRows; ++row) std::memcpy(out + row * outputs, &sums[row], sizeof(sums[row]));
}

/// `size` outputs; the waveform is silent where it has no values.
std::vector<float> sinc(std::span<const float> waveform, const Polyphase& filter, std::int64_t size) {
  const std::int64_t step = kRows * filter.outputs, given = static_cast<std::int64_t>(waveform.size());
  std::vector<float> out(static_cast<std::size_t>((size + step - 1) / step * step));
  std::vector<float> edge(static_cast<std::size_t>(filter.before + kRows * filter.inputs + filter.behind));
  for (std::int64_t done = 0; done < size; done += step) {
    const std::int64_t begin = done / filter.outputs * filter.inputs - filter.before;
    const std::int64_t end = begin + static_cast<std::int64_t>(edge.size());
    const float* input = edge.data() + filter.before;
    if (begin >= 0 && end <= given) {
      input = waveform.data() + begin + filter.before;
    } else {
      std::fill(edge.begin(), edge.end(), 0.0F);
      const std::int64_t low = std::clamp<std::int64_t>(begin, 0, given),
                         high = std::clamp<std::int64_t>(end, 0, given);
      std::copy(waveform.begin() + low, waveform.begin() + high, edge.begin() + (low - begin));
    }
    float* at = out.data() + done;
    for (const FilterBlock& block : filter.blocks) {
      filter_block(input + block.first, filter.inputs, &filter.weight[block.weight], block.taps, at, filter.outputs);
      at += kLanes;
    }
  }
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::vector<float> soxr(std::span<const float> waveform, std::int64_t from, std::int64_t to, std::int64_t size) {
  std::vector<float> out(static_cast<std::size_t>(size));
  const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  const soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
  std::size_t written = 0;
  const soxr_error_t error =
      soxr_oneshot(static_cast<double>(from), static_cast<double>(to), 1, waveform.data(), waveform.size(), nullptr,
                   out.data(), out.size(), &written, &io, &quality, &runtime);
  if (error != nullptr) throw Error(std::string("libsoxr cannot resample: ") + error);
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(written), out.end(), 0.0F);
  return out;
}

}  // namespace

std::vector<float> resample(std::span<const float> waveform, std::int64_t from, std::int64_t to, Resampler resampler) {
  if (from == to) return {waveform.begin(), waveform.end()};
  const auto size = (static_cast<std::int64_t>(waveform.size()) * to + from - 1) / from;
  if (size == 0) return {};
  return resampler == Resampler::sinc ? sinc(waveform, *filter_for(from, to), size) : soxr(waveform, from, to, size);
}

}  // namespace cairn::audio

#include "filter_bank.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "lanes.h"

namespace cairn::audio {
namespace {

constexpr auto kWide = static_cast<std::int64_t>(kLanes);

/// One windowed frame. Pre-emphasis and the removed mean are both linear, so each sample is read twice.
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void cut_frame(const float* signal,
                                                                                     const FrameCut& cut,
                                                                                     const float* window, float* out) {
  float mean = 0;
  std::int64_t i = 0;
  if (cut.remove_mean) {
    Lanes sums = {};
    for (; i + kWide <= cut.length; i += kWide) {
      Lanes values;
      std::memcpy(&values, signal + i, sizeof(values));
      sums += values;
    }
    for (std::int64_t lane = 0; lane < kWide; ++lane) mean += sums[lane];
    for (; i < cut.length; ++i) mean += signal[i];
    mean /= static_cast<float>(cut.length);
  }
  const float offset = mean * (1 - cut.preemphasis);
  out[0] = (signal[0] * (1 - cut.preemphasis) - offset) * window[0];
  for (i = 1; i < cut.length; ++i) out[i] = (signal[i] - cut.preemphasis * signal[i - 1] - offset) * window[i];
  std::fill(out + cut.length, out + cut.fft, 0.0F);
}

/// Power or magnitude of up to kLanes spectra, each a column of `out` [bins,kLanes].
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void strengths(const float* spectra,
                                                                                     std::int64_t count,
                                                                                     std::int64_t bins, bool magnitude,
                                                                                     float* row, float* out) {
  for (std::int64_t lane = 0; lane < count; ++lane, spectra += 2 * bins) {
    for (std::int64_t bin = 0; bin < bins; ++bin)
      row[bin] = spectra[2 * bin] * spectra[2 * bin] + spectra[2 * bin + 1] * spectra[2 * bin + 1];
    if (magnitude)
      for (std::int64_t bin = 0; bin < bins; ++bin) row[bin] = std::sqrt(row[bin]);
    for (std::int64_t bin = 0; bin < bins; ++bin) out[bin * kWide + lane] = row[bin];
  }
}

/// The weighted sum of `size` rows of kLanes values.
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void weigh(const float* rows, const float* weight,
                                                                                 std::int64_t size, float* out) {
  Lanes sum = {};
  for (std::int64_t i = 0; i < size; ++i) {
    Lanes values;
    std::memcpy(&values, rows + i * kWide, sizeof(values));
    sum += weight[i] * values;
  }
  std::memcpy(out, &sum, sizeof(sum));
}

}  // namespace

void cut_frames(const float* signal, std::int64_t count, const FrameCut& cut, const float* window, float* out) {
  for (std::int64_t i = 0; i < count; ++i) cut_frame(signal + i * cut.shift, cut, window, out + i * cut.fft);
}

FilterBank::FilterBank(const float* filters, std::int64_t bins, std::int64_t mels) : bins_(bins) {
  for (std::int64_t mel = 0; mel < mels; ++mel) {
    const auto weight = [&](std::int64_t bin) { return filters[bin * mels + mel]; };
    std::int64_t first = 0, end = bins;
    while (first < end && weight(first) == 0) ++first;
    while (end > first && weight(end - 1) == 0) --end;
    filters_.push_back({first, end - first, weight_.size()});
    for (std::int64_t bin = first; bin < end; ++bin) weight_.push_back(weight(bin));
  }
}

void FilterBank::apply(const float* spectra, std::int64_t count, bool magnitude, float* out) const {
  const auto mels = static_cast<std::int64_t>(filters_.size());
  const auto size = static_cast<std::size_t>(bins_);
  std::vector<float> row(size), columns(size * kLanes);
  std::array<float, kLanes> sums = {};
  for (std::int64_t done = 0; done < count; done += kWide) {
    const std::int64_t group = std::min(kWide, count - done);
    strengths(spectra + 2 * done * bins_, group, bins_, magnitude, row.data(), columns.data());
    for (std::int64_t mel = 0; mel < mels; ++mel) {
      const Filter& filter = filters_[static_cast<std::size_t>(mel)];
      weigh(columns.data() + filter.first * kWide, weight_.data() + filter.weight, filter.size, sums.data());
      for (std::int64_t lane = 0; lane < group; ++lane)
        out[(done + lane) * mels + mel] = sums[static_cast<std::size_t>(lane)];
    }
  }
}

}  // namespace cairn::audio

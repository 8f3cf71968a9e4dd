#include "media/resample.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace cairn::media {
namespace {

constexpr int kFractionBits = 22;  // 8 bits of pixel and 2 of overshoot leave 22 of 32

double bilinear(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

std::uint8_t to_byte(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kFractionBits, 0, 255)); }

/// Adds weight * in to every sum. In chunks of a fixed length, so that the compiler vectorises it.
void accumulate(const std::uint8_t* in, std::int32_t weight, std::int32_t* sums, int count) {
  int i = 0;
  for (; i + 16 <= count; i += 16)
    for (int k = 0; k < 16; ++k) sums[i + k] += weight * in[i + k];
  for (; i < count; ++i) sums[i] += weight * in[i];
}

}  // namespace

/// Weights for outputs [from, from + count) when the inputs [low, high] of `input` are scaled to `output` samples.
Resampler::Taps Resampler::make_taps(int input, double low, double high, int output, int from, int count,
                                     Interpolation filter) {
  const double scale = (high - low) / output;
  const double filter_scale = std::max(scale, 1.0);
  const double support = (filter == Interpolation::bicubic ? 2.0 : 1.0) * filter_scale;
  Taps taps;
  taps.of.reserve(static_cast<std::size_t>(count));
  std::vector<double> values;
  for (int i = from; i < from + count; ++i) {
    const double centre = low + (i + 0.5) * scale;
    const int first = std::clamp(static_cast<int>(centre - support + 0.5), 0, input - 1);
    const int last = std::clamp(static_cast<int>(centre + support + 0.5), first + 1, input);
    values.clear();
    double sum = 0;
    for (int x = first; x < last; ++x) {
      const double at = (x - centre + 0.5) / filter_scale;
      values.push_back(filter == Interpolation::bicubic ? bicubic(at) : bilinear(at));
      sum += values.back();
    }
    taps.of.push_back({first, last - first, taps.weights.size()});
    for (const double value : values) {
      const double normalised = sum != 0 ? value / sum : value;
      taps.weights.push_back(static_cast<std::int32_t>(std::floor(normalised * (1 << kFractionBits) + 0.5)));
    }
  }
  return taps;
}

void Resampler::resample_row(const std::uint8_t* in, const Taps& taps, std::uint8_t* out) {
  for (const Tap& tap : taps.of) {
    const std::int32_t* weight = taps.weights.data() + tap.offset;
    const std::uint8_t* pixel = in + 3 * tap.first;
    std::int32_t r = 1 << (kFractionBits - 1), g = r, b = r;
    for (int k = 0; k < tap.count; ++k, pixel += 3) {
      r += weight[k] * pixel[0];
      g += weight[k] * pixel[1];
      b += weight[k] * pixel[2];
    }
    *out++ = to_byte(r);
    *out++ = to_byte(g);
    *out++ = to_byte(b);
  }
}

Resampler::Resampler(Extent source, const Box& box, Extent target, const Window& window, Interpolation filter)
    : across_(make_taps(source.width, box.left, box.right, target.width, window.left, window.width, filter)),
      down_(make_taps(source.height, box.top, box.bottom, target.height, window.top, window.height, filter)),
      area_{across_.first(), down_.first(), across_.last() - across_.first(), down_.last() - down_.first()} {}

Picture Resampler::apply(const Picture& part, int left, int top) const {
  Picture narrow(static_cast<int>(across_.of.size()), area_.height);
  const std::ptrdiff_t shift = 3 * std::ptrdiff_t{left};
  for (int y = 0; y < area_.height; ++y) resample_row(part.row(area_.top - top + y) - shift, across_, narrow.row(y));

  Picture out(narrow.width, static_cast<int>(down_.of.size()));
  const int values = 3 * out.width;
  std::vector<std::int32_t> sums(static_cast<std::size_t>(values));
  for (int y = 0; y < out.height; ++y) {
    const Tap& tap = down_.of[static_cast<std::size_t>(y)];
    std::fill(sums.begin(), sums.end(), 1 << (kFractionBits - 1));
    for (int k = 0; k < tap.count; ++k)
      accumulate(narrow.row(tap.first - area_.top + k), down_.weights[tap.offset + static_cast<std::size_t>(k)],
                 sums.data(), values);
    std::transform(sums.begin(), sums.end(), out.row(y), to_byte);
  }
  return out;
}

Resampler centre_crop_resampler(Extent source, int resize, int crop, Interpolation filter) {
  const std::int64_t side = std::min(source.width, source.height);
  const Extent target = {static_cast<int>(std::int64_t{resize} * source.width / side),
                         static_cast<int>(std::int64_t{resize} * source.height / side)};
  const Window window = {static_cast<int>(std::nearbyint((target.width - crop) / 2.0)),
                         static_cast<int>(std::nearbyint((target.height - crop) / 2.0)), crop, crop};
  const Box whole = {0, 0, static_cast<double>(source.width), static_cast<double>(source.height)};
  return {source, whole, target, window, filter};
}

Picture resample(const Picture& source, const Box& box, Extent target, Interpolation filter) {
  return Resampler(source.extent(), box, target, {0, 0, target.width, target.height}, filter).apply(source, 0, 0);
}

Picture resize_and_centre_crop(const Picture& source, int resize, int crop, Interpolation filter) {
  return centre_crop_resampler(source.extent(), resize, crop, filter).apply(source, 0, 0);
}

Picture cut(const Picture& source, const Window& area) {
  Picture out(area.width, area.height);
  for (int y = 0; y < area.height; ++y)
    std::copy_n(source.row(area.top + y) + 3 * area.left, 3 * area.width, out.row(y));
  return out;
}

}  // namespace cairn::media

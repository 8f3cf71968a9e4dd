#include "resample.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace cairn::image {
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

/// The taps of one output sample: `count` weights from `weights[offset]`, for inputs from `first` on.
struct Tap {
  int first = 0;
  int count = 0;
  std::size_t offset = 0;
};

struct Taps {
  std::vector<Tap> of;
  std::vector<std::int32_t> weights;

  int first() const { return of.front().first; }
  int last() const { return of.back().first + of.back().count; }
};

/// Weights for outputs [from, from + count) when the inputs [low, high] of `input` are scaled to `output` samples.
Taps make_taps(int input, double low, double high, int output, int from, int count, Interpolation filter) {
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

std::uint8_t to_byte(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kFractionBits, 0, 255)); }

void resample_row(const std::uint8_t* in, const Taps& taps, std::uint8_t* out) {
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

/// Adds weight * in to every sum. In chunks of a fixed length, so that the compiler vectorises it.
void accumulate(const std::uint8_t* in, std::int32_t weight, std::int32_t* sums, int count) {
  int i = 0;
  for (; i + 16 <= count; i += 16)
    for (int k = 0; k < 16; ++k) sums[i + k] += weight * in[i + k];
  for (; i < count; ++i) sums[i] += weight * in[i];
}

}  // namespace

Picture resample(const Picture& source, const Box& box, Extent target, const Window& window, Interpolation filter) {
  const Taps across = make_taps(source.width, box.left, box.right, target.width, window.left, window.width, filter);
  const Taps down = make_taps(source.height, box.top, box.bottom, target.height, window.top, window.height, filter);

  Picture narrow(window.width, down.last() - down.first());
  for (int y = 0; y < narrow.height; ++y) resample_row(source.row(down.first() + y), across, narrow.row(y));

  Picture out(window.width, window.height);
  const int values = 3 * window.width;
  std::vector<std::int32_t> sums(static_cast<std::size_t>(values));
  for (int y = 0; y < out.height; ++y) {
    const Tap& tap = down.of[static_cast<std::size_t>(y)];
    std::fill(sums.begin(), sums.end(), 1 << (kFractionBits - 1));
    for (int k = 0; k < tap.count; ++k)
      accumulate(narrow.row(tap.first - down.first() + k), down.weights[tap.offset + static_cast<std::size_t>(k)],
                 sums.data(), values);
    std::transform(sums.begin(), sums.end(), out.row(y), to_byte);
  }
  return out;
}

Picture resample(const Picture& source, const Box& box, Extent target, Interpolation filter) {
  return resample(source, box, target, {0, 0, target.width, target.height}, filter);
}

Picture resize_and_centre_crop(const Picture& source, int resize, int crop, Interpolation filter) {
  const std::int64_t side = std::min(source.width, source.height);
  const Extent target = {static_cast<int>(std::int64_t{resize} * source.width / side),
                         static_cast<int>(std::int64_t{resize} * source.height / side)};
  const Window window = {static_cast<int>(std::nearbyint((target.width - crop) / 2.0)),
                         static_cast<int>(std::nearbyint((target.height - crop) / 2.0)), crop, crop};
  const Box whole = {0, 0, static_cast<double>(source.width), static_cast<double>(source.height)};
  return resample(source, whole, target, window, filter);
}

}  // namespace cairn::image

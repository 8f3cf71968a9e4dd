#include "media/resample.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "media/across.h"

namespace cairn::media {
namespace {

double bilinear(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

constexpr int kRows = kWeighedBytes;                // that run side by side through the horizontal pass
constexpr std::size_t kColumn = 3 * kWeighedBytes;  // bytes of one column of these

/// Rounded away from zero where it lies halfway, as Pillow does.
std::int32_t fixed_point(double weight) {
  return static_cast<std::int32_t>(weight * (1 << kWeightBits) + (weight < 0 ? -0.5 : 0.5));
}

/// Puts `rows` rows side by side: [column][row][red, green, blue].
void interleave(const Picture& part, int left, int top, int width, int rows, std::uint8_t* block) {
  for (int r = 0; r < rows; ++r) {
    const std::uint8_t* in = part.row(top + r) + 3 * left;
    std::uint8_t* out = block + 3 * r;
    // Four bytes are one move; the last goes where the next row comes, so the last row and column take care.
    const int quick = r + 1 < rows ? width - 1 : 0;
    for (int x = 0; x < quick; ++x, in += 3, out += kColumn) std::memcpy(out, in, 4);
    for (int x = quick; x < width; ++x, in += 3, out += kColumn) std::memcpy(out, in, 3);
  }
}

std::unique_ptr<std::uint8_t[]> unset_bytes(std::size_t size) {
  return std::make_unique_for_overwrite<std::uint8_t[]>(size);
}

std::size_t padded(std::size_t size) { return (size + kWeighedBytes - 1) / kWeighedBytes * kWeighedBytes; }

}  // namespace

/// Weights for outputs [from, from + count) when the inputs [low, high] of `input` are scaled to `output` samples.
Taps Resampler::make_taps(int input, double low, double high, int output, int from, int count, Interpolation filter) {
  const double scale = (high - low) / output;
  const double filter_scale = std::max(scale, 1.0);
  const double support = (filter == Interpolation::bicubic ? 2.0 : 1.0) * filter_scale;
  Taps taps;
  taps.of.reserve(static_cast<std::size_t>(count));
  taps.pairs.reserve(static_cast<std::size_t>(count) * (static_cast<std::size_t>(support) + 2));
  std::vector<double> values(2 * static_cast<std::size_t>(support) + 4);
  for (int i = from; i < from + count; ++i) {
    const double centre = low + (i + 0.5) * scale;
    const int first = std::clamp(static_cast<int>(centre - support + 0.5), 0, input - 1);
    const int last = std::clamp(static_cast<int>(centre + support + 0.5), first + 1, input);
    const auto number = static_cast<std::size_t>(last - first);
    double sum = 0;
    for (std::size_t k = 0; k < number; ++k) {
      const double at = (first + static_cast<int>(k) - centre + 0.5) / filter_scale;
      values[k] = filter == Interpolation::bicubic ? bicubic(at) : bilinear(at);
      sum += values[k];
    }
    taps.of.push_back({first, last - first, taps.pairs.size()});
    for (std::size_t k = 0; k < number; ++k) {
      if (k % 2 == 0) taps.pairs.emplace_back();
      taps.pairs.back().set(k % 2, fixed_point(sum != 0 ? values[k] / sum : values[k]));
    }
  }
  return taps;
}

Resampler::Resampler(Extent source, const Box& box, Extent target, const Window& window, Interpolation filter)
    : across_(make_taps(source.width, box.left, box.right, target.width, window.left, window.width, filter)),
      down_(make_taps(source.height, box.top, box.bottom, target.height, window.top, window.height, filter)),
      area_{across_.first(), down_.first(), across_.last() - across_.first(), down_.last() - down_.first()} {}

void Resampler::filter_block(const std::uint8_t* block, int rows, std::uint8_t* out, std::size_t stride) const {
  std::array<std::uint8_t, kColumn + 1> column;
  for (const Tap& tap : across_.of) {
    weigh(block + kColumn * static_cast<std::size_t>(tap.first - area_.left), kColumn,
          across_.pairs.data() + tap.offset, tap.pairs(), column.data(), kColumn);
    // The fourth byte lies where the next pixel comes, or in the padding.
    for (int r = 0; r < rows; ++r) std::memcpy(out + stride * static_cast<std::size_t>(r), column.data() + 3 * r, 4);
    out += 3;
  }
}

void Resampler::filter_across(const Picture& part, int left, int top, std::uint8_t* out, std::size_t stride) const {
  if (filter_across_wide(across_, part, left, area_.top - top, area_.height, out, stride)) return;
  // One column more, as weights come in pairs.
  const auto block = unset_bytes(kColumn * (static_cast<std::size_t>(area_.width) + 1));
  for (int y = 0; y < area_.height; y += kRows) {
    const int rows = std::min(kRows, area_.height - y);
    interleave(part, area_.left - left, area_.top - top + y, area_.width, rows, block.get());
    filter_block(block.get(), rows, out + stride * static_cast<std::size_t>(y), stride);
  }
}

Picture Resampler::apply(const Picture& part, int left, int top) const {
  Picture out(static_cast<int>(across_.of.size()), static_cast<int>(down_.of.size()));
  const std::size_t values = 3 * across_.of.size(), stride = padded(values + kAcrossPadding);
  // One row more, as weights come in pairs.
  const auto narrow = unset_bytes(stride * (static_cast<std::size_t>(area_.height) + 1)), line = unset_bytes(stride);
  filter_across(part, left, top, narrow.get(), stride);
  for (int y = 0; y < out.height; ++y) {
    const Tap& tap = down_.of[static_cast<std::size_t>(y)];
    weigh(narrow.get() + stride * static_cast<std::size_t>(tap.first - area_.top), stride,
          down_.pairs.data() + tap.offset, tap.pairs(), line.get(), stride);
    std::copy_n(line.get(), values, out.row(y));
  }
  return out;
}

void Resampler::mirror() { std::reverse(across_.of.begin(), across_.of.end()); }

Resampler crop_resampler(Extent source, int resize, int crop, Interpolation filter, double along) {
  const std::int64_t side = std::min(source.width, source.height);
  const Extent target = {static_cast<int>(std::int64_t{resize} * source.width / side),
                         static_cast<int>(std::int64_t{resize} * source.height / side)};
  const auto start = [&](int length, int other) {
    return static_cast<int>(std::nearbyint((length - crop) * (length > other ? along : 0.5)));
  };
  const Window window = {start(target.width, target.height), start(target.height, target.width), crop, crop};
  const Box whole = {0, 0, static_cast<double>(source.width), static_cast<double>(source.height)};
  return {source, whole, target, window, filter};
}

Picture resample(const Picture& source, const Box& box, Extent target, Interpolation filter) {
  return Resampler(source.extent(), box, target, {0, 0, target.width, target.height}, filter).apply(source, 0, 0);
}

Picture resize_and_centre_crop(const Picture& source, int resize, int crop, Interpolation filter) {
  return crop_resampler(source.extent(), resize, crop, filter).apply(source, 0, 0);
}

Picture cut(const Picture& source, const Window& area) {
  Picture out(area.width, area.height);
  for (int y = 0; y < area.height; ++y)
    std::copy_n(source.row(area.top + y) + 3 * area.left, 3 * area.width, out.row(y));
  return out;
}

}  // namespace cairn::media

#include "media/colour.h"

#include <algorithm>
#include <cmath>

namespace cairn::media {
namespace {

std::uint8_t to_byte(float value) { return static_cast<std::uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f)); }

float luminance(const std::uint8_t* p) {
  return 0.299f * static_cast<float>(p[0]) + 0.587f * static_cast<float>(p[1]) + 0.114f * static_cast<float>(p[2]);
}

void jitter(Picture& picture, const std::array<double, 4>& strength, Rng& rng) {
  std::array<std::int64_t, 4> order = {0, 1, 2, 3};
  rng.shuffle(order);
  for (const std::int64_t kind : order) {
    const double s = strength[static_cast<std::size_t>(kind)];
    if (s == 0) continue;
    if (kind == 3) {
      adjust_hue(picture, rng.uniform(-s, s));
      continue;
    }
    const double factor = rng.uniform(std::max(0.0, 1 - s), 1 + s);
    if (kind == 0) adjust_brightness(picture, factor);
    if (kind == 1) adjust_contrast(picture, factor);
    if (kind == 2) adjust_saturation(picture, factor);
  }
}

/// One value of HSV to RGB for a hue in [0, 6): the channel whose ramp starts at `offset`.
float hue_channel(float hue, float offset, float saturation, float value) {
  const float k = std::fmod(offset + hue, 6.0f);
  return value - value * saturation * std::clamp(std::min(k, 4 - k), 0.0f, 1.0f);
}

}  // namespace

void colour(Picture& picture, const Colouring& colouring, Rng& rng) {
  const bool jitters = std::any_of(colouring.jitter.begin(), colouring.jitter.end(), [](double s) { return s > 0; });
  if (jitters && rng.chance(colouring.jitter_probability)) jitter(picture, colouring.jitter, rng);
  if (colouring.grey > 0 && rng.chance(colouring.grey)) adjust_saturation(picture, 0);
  if (colouring.blur > 0 && rng.chance(colouring.blur))
    blur(picture, rng.uniform(colouring.blur_sigma[0], colouring.blur_sigma[1]));
  if (colouring.solarise > 0 && rng.chance(colouring.solarise)) solarise(picture);
}

void adjust_brightness(Picture& picture, double factor) {
  const auto f = static_cast<float>(factor);
  for (std::uint8_t& value : picture.rgb) value = to_byte(f * static_cast<float>(value));
}

void adjust_contrast(Picture& picture, double factor) {
  double sum = 0;
  for (std::size_t i = 0; i < picture.rgb.size(); i += 3) sum += static_cast<double>(luminance(&picture.rgb[i]));
  const auto f = static_cast<float>(factor);
  const float rest = (1 - f) * std::round(static_cast<float>(sum / (static_cast<double>(picture.rgb.size()) / 3)));
  for (std::uint8_t& value : picture.rgb) value = to_byte(f * static_cast<float>(value) + rest);
}

void adjust_saturation(Picture& picture, double factor) {
  const auto f = static_cast<float>(factor);
  for (std::size_t i = 0; i < picture.rgb.size(); i += 3) {
    const float rest = (1 - f) * luminance(&picture.rgb[i]);
    for (std::size_t c = 0; c < 3; ++c) picture.rgb[i + c] = to_byte(f * static_cast<float>(picture.rgb[i + c]) + rest);
  }
}

void adjust_hue(Picture& picture, double shift) {
  const auto turn = static_cast<float>(6 * (shift < 0 ? shift + 1 : shift));
  for (std::size_t i = 0; i < picture.rgb.size(); i += 3) {
    std::uint8_t* p = &picture.rgb[i];
    const float r = p[0], g = p[1], b = p[2];
    const float value = std::max({r, g, b}), range = value - std::min({r, g, b});
    if (range == 0) continue;
    float hue = value == r ? (g - b) / range : value == g ? 2 + (b - r) / range : 4 + (r - g) / range;
    hue = std::fmod(hue + 6 + turn, 6.0f);
    const float saturation = range / value;
    p[0] = to_byte(hue_channel(hue, 5, saturation, value));
    p[1] = to_byte(hue_channel(hue, 3, saturation, value));
    p[2] = to_byte(hue_channel(hue, 1, saturation, value));
  }
}

void blur(Picture& picture, double sigma) {
  const int radius = std::max(1, static_cast<int>(std::ceil(3 * sigma)));
  std::vector<float> weights;
  float sum = 0;
  for (int i = -radius; i <= radius; ++i) {
    weights.push_back(static_cast<float>(std::exp(-0.5 * i * i / (sigma * sigma))));
    sum += weights.back();
  }
  for (float& weight : weights) weight /= sum;

  const int values = 3 * picture.width;
  std::vector<float> across(static_cast<std::size_t>(values) * static_cast<std::size_t>(picture.height));
  std::vector<float> line(static_cast<std::size_t>(values + 6 * radius));
  for (int y = 0; y < picture.height; ++y) {
    const std::uint8_t* row = picture.row(y);
    for (int x = -radius; x < picture.width + radius; ++x)
      for (int c = 0; c < 3; ++c)
        line[static_cast<std::size_t>(3 * (x + radius) + c)] = row[3 * std::clamp(x, 0, picture.width - 1) + c];
    float* out = across.data() + static_cast<std::ptrdiff_t>(y) * values;
    for (int k = 0; k <= 2 * radius; ++k)
      for (int i = 0; i < values; ++i)
        out[i] += weights[static_cast<std::size_t>(k)] * line[static_cast<std::size_t>(3 * k + i)];
  }
  std::vector<float> total(static_cast<std::size_t>(values));
  for (int y = 0; y < picture.height; ++y) {
    std::fill(total.begin(), total.end(), 0.0f);
    for (int k = -radius; k <= radius; ++k) {
      const float* in = across.data() + static_cast<std::ptrdiff_t>(std::clamp(y + k, 0, picture.height - 1)) * values;
      const float weight = weights[static_cast<std::size_t>(k + radius)];
      for (int i = 0; i < values; ++i) total[static_cast<std::size_t>(i)] += weight * in[i];
    }
    std::transform(total.begin(), total.end(), picture.row(y), to_byte);
  }
}

void solarise(Picture& picture) {
  for (std::uint8_t& value : picture.rgb)
    if (value >= 128) value = static_cast<std::uint8_t>(255 - value);
}

}  // namespace cairn::media

#include "shapes.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "cairn/rng.h"

namespace cairn::image {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

enum Shape : int { disc, square, triangle, star, plus, ring, crescent, wedge };

/// Radius of each shape, as a multiple of the root of its area, so that all cover the same area.
constexpr double kScale[] = {0.5643, 0.5013, 0.7322, 0.9001, 0.6829, 0.6756, 0.7749, 0.6337};
/// How far each shape reaches from its centre, in radii.
constexpr float kReach[] = {1.0f, 1.4143f, 1.2001f, 1.0f, 1.0501f, 1.0f, 1.0f, 1.0f};

using Colour = std::array<float, 3>;

/// Floating-point pixels, three values each, in units of full intensity.
struct Canvas {
  int size;
  std::vector<float> rgb;

  explicit Canvas(int side) : size(side), rgb(static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * 3) {}
  float* pixel(int x, int y) { return rgb.data() + 3 * (static_cast<std::ptrdiff_t>(y) * size + x); }
};

/// A grey sine grating over the unit square, as numbers along one row: value = sin(row phase + x step).
/// The mean over the 2 x 2 samples of a pixel is exact: a sine's mean is the sine at the centre times a factor.
class Grating {
 public:
  Grating(Rng& rng, double texture, int size) {
    const double amplitude = rng.uniform(0, texture), frequency = rng.uniform(4, 16);
    const double angle = rng.uniform(0, std::numbers::pi);
    phase_ = rng.uniform(0, kTurn);
    step_x_ = kTurn * frequency * std::cos(angle) / size;
    step_y_ = kTurn * frequency * std::sin(angle) / size;
    amplitude_ = amplitude * std::cos(step_x_ / 4) * std::cos(step_y_ / 4);
    turn_cos_ = static_cast<float>(std::cos(step_x_));
    turn_sin_ = static_cast<float>(std::sin(step_x_));
  }

  /// Starts at pixel (x, y); value() then next() walk to the right.
  void seek(int x, int y) {
    const double at = phase_ + (x + 0.5) * step_x_ + (y + 0.5) * step_y_;
    sine_ = static_cast<float>(amplitude_ * std::sin(at));
    cosine_ = static_cast<float>(amplitude_ * std::cos(at));
  }
  float value() const { return sine_; }
  void next() {
    const float s = sine_ * turn_cos_ + cosine_ * turn_sin_;
    cosine_ = cosine_ * turn_cos_ - sine_ * turn_sin_;
    sine_ = s;
  }

 private:
  double phase_ = 0, step_x_ = 0, step_y_ = 0, amplitude_ = 0;
  float turn_cos_ = 1, turn_sin_ = 0, sine_ = 0, cosine_ = 0;
};

Colour draw_colour(Rng& rng) {
  Colour colour;
  for (float& value : colour) value = static_cast<float>(rng.uniform(0.1, 0.9));
  return colour;
}

float distance(const Colour& a, const Colour& b) {
  float sum = 0;
  for (std::size_t c = 0; c < 3; ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
  return std::sqrt(sum);
}

void paint_background(Canvas& canvas, const Colour& colour, double texture, Rng& rng) {
  const auto slope_x = static_cast<float>(rng.uniform(-0.2, 0.2)), slope_y = static_cast<float>(rng.uniform(-0.2, 0.2));
  Grating grating(rng, texture, canvas.size);
  const float pixel = 1.0f / static_cast<float>(canvas.size);
  for (int y = 0; y < canvas.size; ++y) {
    grating.seek(0, y);
    float* out = canvas.pixel(0, y);
    const float base = slope_y * ((static_cast<float>(y) + 0.5f) * pixel - 0.5f) - 0.5f * slope_x;
    for (int x = 0; x < canvas.size; ++x, out += 3) {
      const float grey = base + slope_x * (static_cast<float>(x) + 0.5f) * pixel + grating.value();
      for (std::size_t c = 0; c < 3; ++c) out[c] = colour[c] + grey;
      grating.next();
    }
  }
}

/// Where a figure lies: centre, the unit vector of its own axis, and how far it reaches, in picture widths.
struct Place {
  float x, y, cosine, sine, radius, reach_x, reach_y;
};

/// Paints `inside(u, v)` (local coordinates in radii) with colour(x, y step): 2 x 2 samples a pixel, only in its
/// bounding box.
template <class Inside, class Shade>
void paint(Canvas& canvas, const Place& place, Inside inside, Shade shade) {
  const auto n = static_cast<float>(canvas.size);
  const auto pixel = [&](float at) { return std::clamp(static_cast<int>(std::floor(at * n)), 0, canvas.size - 1); };
  const int left = pixel(place.x - place.reach_x), right = pixel(place.x + place.reach_x);
  const int top = pixel(place.y - place.reach_y), bottom = pixel(place.y + place.reach_y);
  const float scale = 1 / place.radius, half = 0.5f / n;
  const float du = half * place.cosine * scale, dv = -half * place.sine * scale;  // half a pixel to the right
  for (int y = top; y <= bottom; ++y) {
    const float dx = (static_cast<float>(left) + 0.25f) / n - place.x;
    const float dy = (static_cast<float>(y) + 0.25f) / n - place.y;
    float u = (dx * place.cosine + dy * place.sine) * scale, v = (dy * place.cosine - dx * place.sine) * scale;
    shade.seek(left, y);
    float* out = canvas.pixel(left, y);
    for (int x = left; x <= right; ++x, out += 3, u += 2 * du, v += 2 * dv) {
      // Half a pixel down turns (du, dv) by a right angle.
      const int hits = static_cast<int>(inside(u, v)) + static_cast<int>(inside(u + du, v + dv)) +
                       static_cast<int>(inside(u - dv, v + du)) + static_cast<int>(inside(u + du - dv, v + dv + du));
      if (hits != 0) {
        const float cover = 0.25f * static_cast<float>(hits), grey = shade.value();
        for (std::size_t c = 0; c < 3; ++c) out[c] += cover * (shade.colour[c] + grey - out[c]);
      }
      shade.next();
    }
  }
}

struct PlainShade {
  Colour colour;
  void seek(int, int) {}
  float value() const { return 0; }
  void next() {}
};

struct TexturedShade {
  Colour colour;
  Grating grating;
  void seek(int x, int y) { grating.seek(x, y); }
  float value() const { return grating.value(); }
  void next() { grating.next(); }
};

void paint_clutter(Canvas& canvas, Rng& rng) {
  const PlainShade shade{draw_colour(rng)};
  const auto x = static_cast<float>(rng.uniform()), y = static_cast<float>(rng.uniform());
  if (rng.chance(0.6)) {
    const double angle = rng.uniform(0, kTurn);
    const auto length = static_cast<float>(rng.uniform(0.03, 0.2)),
               width = static_cast<float>(rng.uniform(0.008, 0.025));
    const auto c = static_cast<float>(std::cos(angle)), s = static_cast<float>(std::sin(angle));
    const Place place = {
        x, y, c, s, 1, length * std::abs(c) + width * std::abs(s), length * std::abs(s) + width * std::abs(c)};
    paint(
        canvas, place, [=](float u, float v) { return std::abs(u) < length && std::abs(v) < width; }, shade);
  } else {
    const auto radius = static_cast<float>(rng.uniform(0.015, 0.04));
    paint(
        canvas, {x, y, 1, 0, radius, radius, radius}, [](float u, float v) { return u * u + v * v < 1; }, shade);
  }
}

/// A star of five straight-edged tips (radius 1, notches 0.42): folded into one half tip, then one edge decides.
bool in_star(float u, float v) {
  constexpr float kSine = 0.58778525f, kCosine = 0.80901699f;  // of 36 degrees, half the angle of a tip's sector
  constexpr float kNotch = 0.42f;
  float x = std::abs(v), y = u;  // a tip lies on +y
  // Two mirrors at the line between two tips bring every point into the sector of the upper one.
  for (int mirror = 0; mirror < 2; ++mirror) {
    const float beyond = std::max(kCosine * x - kSine * y, 0.0f);
    x = std::abs(x - 2 * beyond * kCosine);
    y += 2 * beyond * kSine;
  }
  // The edge from the tip (0, 1) to the notch at 36 degrees: inside lies below it.
  constexpr float notch_x = kNotch * kSine, notch_y = kNotch * kCosine;
  return notch_x * (y - 1) - (notch_y - 1) * x < 0;
}

template <class Shade>
void paint_shape(Canvas& canvas, int kind, const Place& place, const Shade& shade) {
  const auto round = [](float u, float v) { return u * u + v * v < 1; };
  switch (kind) {
    case disc:
      return paint(canvas, place, round, shade);
    case square:
      return paint(
          canvas, place, [](float u, float v) { return std::max(std::abs(u), std::abs(v)) < 1; }, shade);
    case triangle:
      return paint(
          canvas, place, [](float u, float v) { return std::max(u, -0.5f * u + 0.8660254f * std::abs(v)) < 0.6f; },
          shade);
    case star:
      return paint(canvas, place, in_star, shade);
    case plus:
      return paint(
          canvas, place,
          [](float u, float v) {
            const float a = std::abs(u), b = std::abs(v);
            return std::min(a, b) < 0.32f && std::max(a, b) < 1;
          },
          shade);
    case ring:
      return paint(
          canvas, place,
          [](float u, float v) {
            const float r = u * u + v * v;
            return r < 1 && r > 0.55f * 0.55f;
          },
          shade);
    case crescent:
      return paint(
          canvas, place,
          [&](float u, float v) { return round(u, v) && (u - 0.5f) * (u - 0.5f) + v * v > 0.75f * 0.75f; }, shade);
    default:
      return paint(
          canvas, place,
          [&](float u, float v) {
            constexpr float kTangent = 0.76020440f;  // of 0.65
            return round(u, v) && !(u > 0 && std::abs(v) <= kTangent * u);
          },
          shade);
  }
}

void paint_main(Canvas& canvas, int kind, const Colour& background, const ShapesDifficulty& difficulty, Rng& rng) {
  Colour colour = draw_colour(rng);
  while (distance(colour, background) <= 0.45f) colour = draw_colour(rng);
  const Grating grating(rng, difficulty.texture, canvas.size);
  const double area = rng.uniform(difficulty.area[0], difficulty.area[1]);
  const double angle = rng.uniform(0, kTurn);
  const double radius = kScale[kind] * std::sqrt(area), margin = std::min(radius, 0.5);
  const auto x = static_cast<float>(rng.uniform(margin, 1 - margin));
  const auto y = static_cast<float>(rng.uniform(margin, 1 - margin));
  const auto r = static_cast<float>(radius);
  const float reach = kReach[kind] * r;
  const Place place = {x, y, static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle)), r, reach, reach};
  paint_shape(canvas, kind, place, TexturedShade{colour, grating});
}

/// 4096 equally likely values of a standard normal, by bisection of its distribution function.
const std::array<float, 4096>& normal_table() {
  static const auto table = [] {
    std::array<float, 4096> values;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(values.size());
      double low = -5, high = 5;
      for (int step = 0; step < 40; ++step) {
        const double middle = (low + high) / 2;
        (0.5 * std::erfc(-middle / std::numbers::sqrt2) < share ? low : high) = middle;
      }
      values[i] = static_cast<float>((low + high) / 2);
    }
    return values;
  }();
  return table;
}

/// Adds Gaussian noise and rounds to 8 bits. Five 12-bit table entries from each splitmix64 draw: the noise of a
/// picture takes thousands of numbers, too many for Rng.
Picture develop(const Canvas& canvas, double noise, Rng& rng) {
  const auto& table = normal_table();
  const auto scale = static_cast<float>(255 * noise);
  std::uint64_t state = rng.bits64(), bits = 0;
  int left = 0;
  Picture picture(canvas.size, canvas.size);
  for (std::size_t i = 0; i < canvas.rgb.size(); ++i) {
    if (left == 0) {
      bits = state += 0x9E3779B97F4A7C15ULL;
      bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9ULL;
      bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBULL;
      bits ^= bits >> 31;
      left = 5;
    }
    const float value = 255 * canvas.rgb[i] + scale * table[bits & 4095] + 0.5f;
    picture.rgb[i] = static_cast<std::uint8_t>(std::clamp(value, 0.0f, 255.0f));
    bits >>= 12;
    --left;
  }
  return picture;
}

}  // namespace

const std::vector<std::string>& shape_names() {
  static const std::vector<std::string> names = {"disc", "square", "triangle", "star",
                                                 "plus", "ring",   "crescent", "wedge"};
  return names;
}

Picture draw_shape(std::uint64_t seed, std::uint64_t part, std::uint64_t index, int size,
                   const ShapesDifficulty& difficulty) {
  Rng rng(seed, Stream::user, part, index);
  Canvas canvas(size);
  const Colour background = draw_colour(rng);
  paint_background(canvas, background, difficulty.texture, rng);
  const auto pieces =
      rng.integer(static_cast<std::int64_t>(difficulty.clutter[0]), static_cast<std::int64_t>(difficulty.clutter[1]));
  for (std::int64_t i = 0; i < pieces; ++i) paint_clutter(canvas, rng);
  paint_main(canvas, static_cast<int>(index % 8), background, difficulty, rng);
  return develop(canvas, difficulty.noise, rng);
}

}  // namespace cairn::image

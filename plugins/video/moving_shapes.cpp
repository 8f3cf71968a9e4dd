#include "moving_shapes.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "cairn/rng.h"

namespace cairn::video {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;
constexpr double kFarthest = 0.36;  // of two shapes' centres, in picture widths: below half the torus
constexpr double kFramesPerSecond = 10;

enum Motion : int { left, right, up, down, spin_left, spin_right, orbit_left, orbit_right, meet, pass };

using Colour = std::array<float, 3>;

/// What tells one shape from the other: nothing that has to do with the motion.
struct Shape {
  int kind = 0;
  float radius = 0;
  Colour colour{};
  double angle = 0;
};

/// The pair at one moment.
struct Pose {
  double x = 0, y = 0;   // centre, on the unit torus
  double distance = 0;   // of the shapes' centres from each other, negative behind each other
  double direction = 0;  // from the first to the second
  double spin = 0;       // added to the shapes' angles
};

/// 0 to 1 and back again while `phase` grows by 2.
double zigzag(double phase) {
  const double rest = phase - 2 * std::floor(phase / 2);
  return rest < 1 ? rest : 2 - rest;
}

/// Where the pair is at `time` in [0, 1]. Start values are uniform, so that every moment looks alike.
class Path {
 public:
  Path(Motion motion, double speed, Rng& rng) : motion_(motion), speed_(speed) {
    start_.x = rng.uniform();
    start_.y = rng.uniform();
    phase_ = rng.uniform(0, 4);
    start_.direction = rng.uniform(0, kTurn);
    backwards_ = rng.chance(0.5);
  }

  Pose at(double time) const {
    Pose pose = start_;
    const double way = speed_ * time;
    pose.distance = kFarthest * zigzag(phase_);
    if (motion_ == left) pose.x -= way;
    if (motion_ == right) pose.x += way;
    if (motion_ == up) pose.y -= way;
    if (motion_ == down) pose.y += way;
    if (motion_ == spin_left) pose.spin -= kTurn * way;
    if (motion_ == spin_right) pose.spin += kTurn * way;
    if (motion_ == orbit_left) pose.direction -= kTurn * way;
    if (motion_ == orbit_right) pose.direction += kTurn * way;
    if (motion_ == meet || motion_ == pass) pose.distance = separation(way);
    return pose;
  }

 private:
  /// Shapes that meet turn back at distance 0; those that pass go on until they are as far apart on the other side.
  double separation(double way) const {
    // Fast enough for the shapes to come together in every film.
    const double phase = phase_ + (backwards_ ? -1 : 1) * 4 * way;
    if (motion_ == meet) return kFarthest * zigzag(phase);
    return kFarthest * (2 * zigzag(phase / 2) - 1);
  }

  Motion motion_;
  double speed_;
  Pose start_;
  double phase_ = 0;
  bool backwards_ = false;
};

/// Shapes without symmetry under turns, so that every turn shows. Local coordinates in radii.
bool covers(int kind, float u, float v) {
  switch (kind) {
    case 0:  // a bar with a knob at one end
      return (std::abs(v) < 0.3f && std::abs(u) < 0.95f) || (u - 0.6f) * (u - 0.6f) + v * v < 0.16f;
    case 1:  // an L
      return (u > -0.7f && u < -0.1f && std::abs(v) < 0.8f) || (v > 0.2f && v < 0.8f && u > -0.7f && u < 0.8f);
    case 2:  // a wedge
      return u * u + v * v < 0.9f && !(u > 0 && std::abs(v) < u);
    default:  // an arrow
      return (u > 0 && u < 0.95f && std::abs(v) < 0.85f * (0.95f - u)) || (u > -0.9f && u <= 0 && std::abs(v) < 0.28f);
  }
}

/// A film is drawn frame by frame when it is read.
class Film : public Footage {
 public:
  Film(const FilmSetting& setting, Motion motion, Rng rng)
      : setting_(setting), path_(motion, rng.uniform(setting.speed[0], setting.speed[1]), rng) {
    background_ = draw_colour(rng);
    slope_ = {static_cast<float>(rng.uniform(-0.2, 0.2)), static_cast<float>(rng.uniform(-0.2, 0.2))};
    for (Shape& shape : shapes_) {
      shape.kind = static_cast<int>(rng.integer(0, 3));
      shape.radius = static_cast<float>(rng.uniform(setting.radius[0], setting.radius[1]));
      shape.angle = rng.uniform(0, kTurn);
      do shape.colour = draw_colour(rng);
      while (difference(shape.colour, background_) < 0.5f);
    }
    noise_seed_ = rng.bits64();
  }

  std::int64_t frames() const override { return setting_.frames; }
  double time(std::int64_t index) const override { return static_cast<double>(index) / kFramesPerSecond; }
  void read(std::span<const std::int64_t> wanted, const Take& take) override;

 private:
  static Colour draw_colour(Rng& rng) {
    Colour colour;
    for (float& value : colour) value = static_cast<float>(rng.uniform(0.1, 0.9));
    return colour;
  }
  static float difference(const Colour& a, const Colour& b) {
    float sum = 0;
    for (std::size_t c = 0; c < 3; ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
    return std::sqrt(sum);
  }
  media::Picture draw(std::int64_t index) const;
  void paint(std::vector<float>& canvas, const Shape& shape, double x, double y, double angle) const;

  FilmSetting setting_;
  Path path_;
  Colour background_{};
  std::array<float, 2> slope_{};
  std::array<Shape, 2> shapes_;
  std::uint64_t noise_seed_ = 0;
};

void Film::read(std::span<const std::int64_t> wanted, const Take& take) {
  for (std::size_t slot = 0; slot < wanted.size(); ++slot) take(slot, PictureFrame(draw(wanted[slot])));
}

/// Paints with 2 x 2 samples a pixel; what leaves at one side comes in at the other.
void Film::paint(std::vector<float>& canvas, const Shape& shape, double x, double y, double angle) const {
  const int n = setting_.size;
  const float size = static_cast<float>(n), reach = shape.radius * size + 1;
  const float centre_x = static_cast<float>(x - std::floor(x)) * size,
              centre_y = static_cast<float>(y - std::floor(y)) * size;
  const float scale = 1 / (shape.radius * size);
  const float cosine = static_cast<float>(std::cos(angle)) * scale, sine = static_cast<float>(std::sin(angle)) * scale;
  for (int row = static_cast<int>(std::floor(centre_y - reach)); row <= static_cast<int>(centre_y + reach); ++row)
    for (int column = static_cast<int>(std::floor(centre_x - reach)); column <= static_cast<int>(centre_x + reach);
         ++column) {
      int hits = 0;
      for (int sample = 0; sample < 4; ++sample) {
        const float dx = static_cast<float>(column) + 0.25f + 0.5f * static_cast<float>(sample & 1) - centre_x;
        const float dy = static_cast<float>(row) + 0.25f + 0.5f * static_cast<float>(sample >> 1) - centre_y;
        hits += covers(shape.kind, dx * cosine + dy * sine, dy * cosine - dx * sine) ? 1 : 0;
      }
      if (hits == 0) continue;
      const int place = ((row % n + n) % n) * n + (column % n + n) % n;
      const float cover = 0.25f * static_cast<float>(hits);
      for (std::size_t c = 0; c < 3; ++c) {
        float& value = canvas[3 * static_cast<std::size_t>(place) + c];
        value += cover * (shape.colour[c] - value);
      }
    }
}

media::Picture Film::draw(std::int64_t index) const {
  const int n = setting_.size;
  std::vector<float> canvas(3 * static_cast<std::size_t>(n) * static_cast<std::size_t>(n));
  for (int y = 0; y < n; ++y)
    for (int x = 0; x < n; ++x) {
      const float grey = slope_[0] * (static_cast<float>(x) / static_cast<float>(n) - 0.5f) +
                         slope_[1] * (static_cast<float>(y) / static_cast<float>(n) - 0.5f);
      for (std::size_t c = 0; c < 3; ++c) canvas[3 * static_cast<std::size_t>(y * n + x) + c] = background_[c] + grey;
    }
  const Pose pose =
      path_.at(static_cast<double>(index) / static_cast<double>(std::max<std::int64_t>(1, setting_.frames - 1)));
  const double dx = pose.distance / 2 * std::cos(pose.direction), dy = pose.distance / 2 * std::sin(pose.direction);
  paint(canvas, shapes_[0], pose.x - dx, pose.y - dy, shapes_[0].angle + pose.spin);
  paint(canvas, shapes_[1], pose.x + dx, pose.y + dy, shapes_[1].angle + pose.spin);

  // The sum of four 16-bit draws is nearly normal, and cheap: a film takes a hundred thousand of them.
  Rng rng(noise_seed_, Stream::user, 1, static_cast<std::uint64_t>(index));
  const auto scale = static_cast<float>(255 * setting_.noise * std::sqrt(3.0) / 65536);
  std::uint64_t state = rng.bits64();
  media::Picture picture(n, n);
  for (std::size_t i = 0; i < canvas.size(); ++i) {
    std::uint64_t bits = state += 0x9E3779B97F4A7C15ULL;
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9ULL;
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBULL;
    bits ^= bits >> 31;
    const auto sum = static_cast<float>((bits & 65535) + (bits >> 16 & 65535) + (bits >> 32 & 65535) + (bits >> 48));
    picture.rgb[i] =
        static_cast<std::uint8_t>(std::clamp(255 * canvas[i] + scale * (sum - 2 * 65535) + 0.5f, 0.0f, 255.0f));
  }
  return picture;
}

}  // namespace

const std::vector<std::string>& motion_names() {
  static const std::vector<std::string> names = {"left",       "right",      "up",          "down", "spin_left",
                                                 "spin_right", "orbit_left", "orbit_right", "meet", "pass"};
  return names;
}

std::unique_ptr<Footage> draw_film(std::uint64_t seed, std::uint64_t part, std::uint64_t index,
                                   const FilmSetting& setting) {
  const auto motion = static_cast<Motion>(index % motion_names().size());
  return std::make_unique<Film>(setting, motion, Rng(seed, Stream::user, part, index));
}

}  // namespace cairn::video

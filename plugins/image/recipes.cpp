#include "recipes.h"

namespace cairn::image {
namespace {

ViewOptions crop(double low, double high) {
  ViewOptions view;
  view.crop_scale = {low, high};
  return view;
}

ViewOptions coloured(ViewOptions view, std::array<double, 4> jitter, double blur, double solarise = 0) {
  view.jitter = jitter;
  view.grey = 0.2;
  view.blur = blur;
  view.solarise = solarise;
  return view;
}

ViewOptions times(ViewOptions view, std::int64_t count) {
  view.count = count;
  return view;
}

ViewOptions as_local(ViewOptions view) {
  view.local = true;
  return view;
}

constexpr std::array<double, 4> kSimclr = {0.8, 0.8, 0.8, 0.2};
constexpr std::array<double, 4> kMoco = {0.4, 0.4, 0.4, 0.1};
constexpr std::array<double, 4> kByol = {0.4, 0.4, 0.2, 0.1};

/// BYOL's two views: one always blurred, the other rarely, and sometimes solarised.
std::vector<ViewOptions> asymmetric(double low) {
  return {coloured(crop(low, 1), kByol, 1.0), coloured(crop(low, 1), kByol, 0.1, 0.2)};
}

}  // namespace

Schema<ViewOptions> ViewOptions::schema() {
  Schema<ViewOptions> s("Views drawn alike");
  s.option("count", &ViewOptions::count, "how many, drawn independently").range(1, 64);
  s.option("size", &ViewOptions::size, "side in pixels; 0: modality.size").range(0, 1 << 14);
  s.option("local", &ViewOptions::local, "a small part of the picture, which nobody is asked about");
  add_augmentation_options(s);
  return s;
}

std::vector<ViewOptions> published_views(Recipe recipe) {
  switch (recipe) {
    case Recipe::simclr:
      return {times(coloured(crop(0.08, 1), kSimclr, 0.5), 2)};
    case Recipe::moco_v2:
    case Recipe::simsiam:
      return {times(coloured(crop(0.2, 1), kMoco, 0.5), 2)};
    case Recipe::moco_v3:
    case Recipe::byol:
    case Recipe::barlow_twins:
    case Recipe::vicreg:
      return asymmetric(0.08);
    case Recipe::swav:
      return {times(coloured(crop(0.14, 1), kSimclr, 0.5), 2),
              times(as_local(coloured(crop(0.05, 0.14), kSimclr, 0.5)), 6)};
    case Recipe::dino: {
      std::vector<ViewOptions> views = asymmetric(0.4);
      views.push_back(times(as_local(coloured(crop(0.05, 0.4), kByol, 0.5)), 8));
      return views;
    }
    case Recipe::lejepa:
      return {times(coloured(crop(0.3, 1), kByol, 0.5, 0.2), 2),
              times(as_local(coloured(crop(0.05, 0.3), kByol, 0.5, 0.2)), 6)};
    default:
      return {};
  }
}

}  // namespace cairn::image

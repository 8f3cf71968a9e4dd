#include "media/crop.h"

#include <cmath>

namespace cairn::media {
namespace {

/// The largest central rectangle whose aspect lies in [low, high].
Box central_crop(Extent picture, double low, double high) {
  double width = picture.width, height = picture.height;
  const double ratio = width / height;
  if (ratio < low) height = std::round(width / low);
  if (ratio > high) width = std::round(height * high);
  const double left = std::floor((picture.width - width) / 2), top = std::floor((picture.height - height) / 2);
  return {left, top, left + width, top + height};
}

}  // namespace

Box draw_crop(Extent picture, const std::array<double, 2>& scale, const std::array<double, 2>& ratio, Rng& rng) {
  const double area = static_cast<double>(picture.width) * picture.height;
  const double low = std::log(ratio[0]), high = std::log(ratio[1]);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * rng.uniform(scale[0], scale[1]);
    const double aspect = std::exp(rng.uniform(low, high));
    const auto width = static_cast<int>(std::round(std::sqrt(target * aspect)));
    const auto height = static_cast<int>(std::round(std::sqrt(target / aspect)));
    if (width < 1 || height < 1 || width > picture.width || height > picture.height) continue;
    const auto top = static_cast<double>(rng.integer(0, picture.height - height));
    const auto left = static_cast<double>(rng.integer(0, picture.width - width));
    return {left, top, left + width, top + height};
  }
  return central_crop(picture, ratio[0], ratio[1]);
}

}  // namespace cairn::media

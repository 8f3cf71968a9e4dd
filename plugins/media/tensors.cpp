#include "media/tensors.h"

#include <ATen/ATen.h>

#include <string>

#include "cairn/error.h"

namespace cairn::media {
namespace {

/// The numbers of `given`, or the defaults, one for each channel.
std::vector<double> per_channel(const char* key, const std::vector<double>& given, std::vector<double> fallback,
                                std::int64_t channels) {
  if (given.empty()) {
    if (channels == 1) return {(fallback[0] + fallback[1] + fallback[2]) / 3};
    return fallback;
  }
  if (static_cast<std::int64_t>(given.size()) != channels)
    throw ConfigError(key,
                      "has " + std::to_string(given.size()) + " numbers for " + std::to_string(channels) + " channels",
                      "give one number for each channel");
  return given;
}

/// Numbers of the channels, shaped to act on [C,...] of `dimensions` dimensions.
at::Tensor per_channel_tensor(const std::vector<double>& numbers, std::int64_t dimensions, at::Device device) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(dimensions), 1);
  shape[0] = static_cast<std::int64_t>(numbers.size());
  return at::tensor(numbers).to(at::kFloat).view(shape).to(device);
}

at::Tensor standardised(at::Tensor values) {
  std::vector<std::int64_t> places, all;
  for (std::int64_t d = 1; d < values.dim(); ++d) {
    all.push_back(d);
    if (d > 1) places.push_back(d);
  }
  values.sub_(values.mean(places, true));
  // A flat picture must not be blown up to noise: the deviation is at least a quarter of a level.
  const at::Tensor deviation = values.square().mean(all, true).sqrt_().clamp_min_(0.25);
  return values.div_(deviation);
}

}  // namespace

void copy_planes(const Picture& picture, std::int64_t channels, std::uint8_t* out, std::size_t stride, bool mirrored) {
  const std::ptrdiff_t step = mirrored ? -1 : 1, width = picture.width;
  for (int y = 0; y < picture.height; ++y, out += width) {
    const std::uint8_t* in = picture.row(y);
    std::uint8_t* to = mirrored ? out + width - 1 : out;
    for (std::ptrdiff_t x = 0; x < width; ++x, in += 3, to += step) {
      if (channels == 1) {
        *to = static_cast<std::uint8_t>((in[0] * 19595 + in[1] * 38470 + in[2] * 7471 + 0x8000) >> 16);
        continue;
      }
      to[0] = in[0];
      to[stride] = in[1];
      to[2 * stride] = in[2];
    }
  }
}

Normaliser::Normaliser(Normalise kind, const std::vector<double>& mean, const std::vector<double>& std,
                       std::int64_t channels)
    : kind_(kind) {
  if (kind == Normalise::standardise && !(mean.empty() && std.empty()))
    throw ConfigError(mean.empty() ? "std" : "mean", "has no meaning with normalise = \"standardise\"",
                      "remove it or choose another normalise");
  const bool plain = kind == Normalise::none;
  mean_ = per_channel("mean", mean, plain ? std::vector{0.0, 0.0, 0.0} : std::vector{0.485, 0.456, 0.406}, channels);
  std_ = per_channel("std", std, plain ? std::vector{1.0, 1.0, 1.0} : std::vector{0.229, 0.224, 0.225}, channels);
}

at::Tensor Normaliser::apply(const at::Tensor& bytes) const {
  at::Tensor values = bytes.to(at::kFloat);
  if (kind_ == Normalise::standardise) return standardised(std::move(values));
  std::vector<double> scale, shift;
  for (std::size_t c = 0; c < mean_.size(); ++c) {
    scale.push_back(1 / (255 * std_[c]));
    shift.push_back(mean_[c] / std_[c]);
  }
  const std::int64_t dimensions = values.dim() - 1;
  return values.mul_(per_channel_tensor(scale, dimensions, values.device()))
      .sub_(per_channel_tensor(shift, dimensions, values.device()));
}

at::Tensor Normaliser::restore(const at::Tensor& values) const {
  const auto channels = [&](const std::vector<double>& numbers) {
    return per_channel_tensor(numbers, values.dim() - 1, values.device());
  };
  return (values.detach().to(at::kFloat) * channels(std_) + channels(mean_)).clamp(0, 1);
}

}  // namespace cairn::media

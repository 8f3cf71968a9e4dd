#include "media/tensors.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <string>

#include "cairn/error.h"
#include "media/planes.h"

namespace cairn::media {
namespace {

constexpr std::size_t kCaches = std::size_t{32} << 20;  // bytes that a processor's caches may hold

/// The numbers of `given`, or the defaults, one for each channel.
std::vector<double> given_or(const char* key, const std::vector<double>& given, std::vector<double> fallback,
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

OnDevice floats(const std::vector<double>& numbers) { return OnDevice(at::tensor(numbers).to(at::kFloat)); }

/// Numbers of the channels, shaped to act on float values [B,C,...].
at::Tensor per_channel(const OnDevice& numbers, const at::Tensor& values) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(values.dim() - 1), 1);
  shape[0] = numbers.values().size(0);
  return numbers.as(values.options()).view(shape);
}

/// Bytes [B,C,...] times each channel's scale, less its shift, in one pass.
at::Tensor scaled(const at::Tensor& bytes, const std::vector<double>& scale, const std::vector<double>& shift) {
  at::Tensor out = at::empty(bytes.sizes(), bytes.options().dtype(at::kFloat));
  const auto channels = static_cast<std::int64_t>(scale.size()), planes = bytes.size(0) * channels;
  const std::int64_t size = planes == 0 ? 0 : bytes.numel() / planes;
  const auto* from = bytes.const_data_ptr<std::uint8_t>();
  auto* to = out.mutable_data_ptr<float>();
  const bool past_caches = out.nbytes() > kCaches;
  at::parallel_for(0, planes, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) {
      const auto c = static_cast<std::size_t>(plane % channels);
      scale_bytes(from + plane * size, static_cast<std::size_t>(size), static_cast<float>(scale[c]),
                  static_cast<float>(shift[c]), to + plane * size, past_caches);
    }
  });
  return out;
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

Normaliser::Normaliser(Normalise kind, const std::vector<double>& mean, const std::vector<double>& std,
                       std::int64_t channels)
    : kind_(kind) {
  if (kind == Normalise::standardise && !(mean.empty() && std.empty()))
    throw ConfigError(mean.empty() ? "std" : "mean", "has no meaning with normalise = \"standardise\"",
                      "remove it or choose another normalise");
  const bool plain = kind == Normalise::none;
  const std::vector<double> means =
      given_or("mean", mean, plain ? std::vector{0.0, 0.0, 0.0} : std::vector{0.485, 0.456, 0.406}, channels);
  const std::vector<double> deviations =
      given_or("std", std, plain ? std::vector{1.0, 1.0, 1.0} : std::vector{0.229, 0.224, 0.225}, channels);
  for (std::size_t c = 0; c < means.size(); ++c) {
    scale_.push_back(1 / (255 * deviations[c]));
    shift_.push_back(means[c] / deviations[c]);
  }
  mean_ = floats(means);
  std_ = floats(deviations);
  scales_ = floats(scale_);
  shifts_ = floats(shift_);
}

at::Tensor Normaliser::apply(const at::Tensor& bytes) const {
  if (kind_ == Normalise::standardise) return standardised(bytes.to(at::kFloat));
  if (bytes.is_cpu() && bytes.scalar_type() == at::kByte) return scaled(bytes.contiguous(), scale_, shift_);
  at::Tensor values = bytes.to(at::kFloat);
  return values.mul_(per_channel(scales_, values)).sub_(per_channel(shifts_, values));
}

at::Tensor Normaliser::restore(const at::Tensor& values) const {
  const at::Tensor floating = values.detach().to(at::kFloat);
  return (floating * per_channel(std_, floating) + per_channel(mean_, floating)).clamp(0, 1);
}

}  // namespace cairn::media

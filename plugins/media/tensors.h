#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "media/on_device.h"

namespace cairn::media {

enum class Normalise : std::uint8_t { imagenet, none, standardise };

/// Turns bytes into what a network sees. `imagenet` and `none` give (value / 255 - mean) / std with fixed numbers;
/// `standardise` takes each sample's channel means and divides by one deviation over all its values.
class Normaliser {
 public:
  /// Empty `mean` and `std`: as `kind` says. ConfigError if their length is not `channels`, or they have no meaning.
  Normaliser(Normalise kind, const std::vector<double>& mean, const std::vector<double>& std, std::int64_t channels);

  /// uint8 [B,C,...] to float of the same shape.
  at::Tensor apply(const at::Tensor& bytes) const;
  /// What apply() made of the values, back in 0 .. 1. Not for `standardise`, whose levels are gone.
  at::Tensor restore(const at::Tensor& values) const;

 private:
  Normalise kind_;
  OnDevice mean_, std_;                // [C]
  std::vector<double> scale_, shift_;  // a byte times its channel's scale, less its shift
  OnDevice scales_, shifts_;           // the same as [C]
};

}  // namespace cairn::media

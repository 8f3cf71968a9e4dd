#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cairn::audio {

/// A waveform [T] whose short-time spectra have about these magnitudes [bins,frames]: Griffin and Lim 1984 with the
/// momentum of Perraudin, Balazs and Soendergaard 2013. The phases start from a fixed seed. `window` is as long as a
/// transform; `hop` is less than that.
at::Tensor griffin_lim(const at::Tensor& magnitude, const at::Tensor& window, std::int64_t hop);

}  // namespace cairn::audio

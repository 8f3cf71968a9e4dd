#include "griffin_lim.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <numbers>

namespace cairn::audio {
namespace {

constexpr int kIterations = 32;
constexpr double kMomentum = 0.99;
constexpr std::uint64_t kPhaseSeed = 1;

}  // namespace

at::Tensor griffin_lim(const at::Tensor& magnitude, const at::Tensor& window, std::int64_t hop) {
  const std::int64_t fft = window.size(0);
  const auto heard = [&](const at::Tensor& spectrum) {
    return at::istft(spectrum, fft, hop, fft, window, /*center=*/true, /*normalized=*/false, /*onesided=*/true);
  };
  const auto generator = at::detail::createCPUGenerator(kPhaseSeed);
  at::Tensor phase =
      at::polar(at::ones_like(magnitude), at::rand(magnitude.sizes(), generator, at::kFloat) * (2 * std::numbers::pi));
  at::Tensor before = at::zeros_like(phase);
  for (int i = 0; i < kIterations; ++i) {
    const at::Tensor rebuilt = at::stft(heard(magnitude * phase), fft, hop, fft, window, /*center=*/true, "reflect",
                                        /*normalized=*/false, /*onesided=*/true, /*return_complex=*/true);
    phase = rebuilt - before * (kMomentum / (1 + kMomentum));
    phase = phase / (phase.abs() + 1e-16);
    before = rebuilt;
  }
  return heard(magnitude * phase);
}

}  // namespace cairn::audio

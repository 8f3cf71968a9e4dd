#include "scale.h"

namespace cairn::gain {
namespace {

__global__ void scale(float* values, std::int64_t count, float factor) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) values[i] *= factor;
}

}  // namespace

void scale_on_device(float* values, std::int64_t count, float factor, void* stream) {
  constexpr unsigned kThreads = 256;
  const auto blocks = static_cast<unsigned>((count + kThreads - 1) / kThreads);
  scale<<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(values, count, factor);
}

}  // namespace cairn::gain

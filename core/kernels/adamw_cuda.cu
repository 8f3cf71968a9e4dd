#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

#include <cstdint>

#include "kernels/adamw_device.h"

namespace cairn::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kPacks = 1;       // of each array that a thread loads before it computes
constexpr int kPackValues = 4;  // in the widest access, 128 bits

/// Values that one instruction loads or stores.
template <int kValues>
struct alignas(sizeof(float) * kValues) Pack {
  float at[kValues];
};

template <int kValues>
__device__ Pack<kValues> load(const float* array, std::int64_t pack) {
  return reinterpret_cast<const Pack<kValues>*>(array)[pack];
}

template <int kValues>
__device__ void store(float* array, std::int64_t pack, const Pack<kValues>& values) {
  reinterpret_cast<Pack<kValues>*>(array)[pack] = values;
}

/// What one thread has of all arrays at one place.
template <int kValues>
struct Packs {
  Pack<kValues> values, gradients, first, second, teacher;
};

/// a + weight * (b - a), from the nearer end.
__device__ float lerp_rounded(float a, float b, float weight) {
  const bool from_a = weight < 0.5F;
  return __fmaf_rn(from_a ? weight : weight - 1, __fsub_rn(b, a), from_a ? a : b);
}

/// One value of each array, each operation rounded as in adamw_range.cpp.
template <bool kFollowed, int kValues>
__device__ void update_value(Packs<kValues>& packs, int i, const AdamwFactors& f, float scale) {
  float &value = packs.values.at[i], &mean = packs.first.at[i], &square = packs.second.at[i];
  const float gradient = __fmul_rn(packs.gradients.at[i], scale);
  mean = lerp_rounded(mean, gradient, f.first_weight);
  square = __fmaf_rn(__fmul_rn(f.second_weight, gradient), gradient, __fmul_rn(square, f.second_keep));
  const float root = __fadd_rn(__fdiv_rn(__fsqrt_rn(square), f.root_scale), f.epsilon);
  value = __fadd_rn(__fmul_rn(value, f.keep), __fdiv_rn(__fmul_rn(-f.step, mean), root));
  if constexpr (kFollowed) packs.teacher.at[i] = lerp_rounded(packs.teacher.at[i], value, f.follow);
}

/// Of a range that is `kValues` times `count` values long; kThreads * kPacks packs a block.
template <bool kFollowed, int kValues>
__global__ __launch_bounds__(kThreads) void update(AdamwRange range, AdamwFactors factors, const float* scale,
                                                   std::int64_t count) {
  const std::int64_t begin = std::int64_t{kThreads} * kPacks * blockIdx.x + threadIdx.x;
  const float by = *scale;
  Packs<kValues> packs[kPacks];
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    const std::int64_t pack = begin + k * kThreads;
    if (pack >= count) break;
    packs[k].gradients = load<kValues>(range.gradients, pack);
    packs[k].first = load<kValues>(range.first, pack);
    packs[k].second = load<kValues>(range.second, pack);
    packs[k].values = load<kValues>(range.values, pack);
    if constexpr (kFollowed) packs[k].teacher = load<kValues>(range.teacher, pack);
  }
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    const std::int64_t pack = begin + k * kThreads;
    if (pack >= count) break;
    store(range.gradients, pack, Pack<kValues>{});
    if (!isfinite(by)) continue;
#pragma unroll
    for (int i = 0; i < kValues; ++i) update_value<kFollowed>(packs[k], i, factors, by);
    store(range.first, pack, packs[k].first);
    store(range.second, pack, packs[k].second);
    store(range.values, pack, packs[k].values);
    if constexpr (kFollowed) store(range.teacher, pack, packs[k].teacher);
  }
}

template <int kValues>
void launch(const AdamwRange& range, const AdamwFactors& factors, const float* scale) {
  if (range.size == 0) return;
  constexpr std::int64_t kPacksOfBlock = std::int64_t{kThreads} * kPacks;
  const std::int64_t count = range.size / kValues;
  const auto blocks = static_cast<unsigned>((count + kPacksOfBlock - 1) / kPacksOfBlock);
  const auto kernel = range.teacher ? update<true, kValues> : update<false, kValues>;
  kernel<<<blocks, kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(range, factors, scale, count);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

bool is_aligned(const AdamwRange& range) {
  for (const float* array : {range.values, range.gradients, range.first, range.second, range.teacher})
    if (reinterpret_cast<std::uintptr_t>(array) % alignof(Pack<kPackValues>) != 0) return false;
  return true;
}

}  // namespace

void adamw_on_device(const AdamwRange& range, const AdamwFactors& factors, const float* scale) {
  const std::int64_t packed = is_aligned(range) ? range.size / kPackValues * kPackValues : 0;
  launch<kPackValues>(range.part(0, packed), factors, scale);
  launch<1>(range.part(packed, range.size), factors, scale);
}

}  // namespace cairn::kernels

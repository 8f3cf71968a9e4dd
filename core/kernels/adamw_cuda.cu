#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

#include <cstdint>
#include <type_traits>

#include "kernels/adamw_device.h"
#include "kernels/bfloat16_bits.h"

namespace cairn::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kPacks = 1;       // of each array that a thread loads before it computes
constexpr int kPackValues = 4;  // in the widest access, 128 bits of float32

/// Values that one instruction loads or stores.
template <class T, int kValues>
struct alignas(sizeof(T) * kValues) Pack {
  T at[kValues];
};

template <int kValues, class T>
__device__ Pack<T, kValues> load(const T* array, std::int64_t pack) {
  return reinterpret_cast<const Pack<T, kValues>*>(array)[pack];
}

template <int kValues, class T>
__device__ void store(T* array, std::int64_t pack, const Pack<T, kValues>& values) {
  reinterpret_cast<Pack<T, kValues>*>(array)[pack] = values;
}

/// What one thread has of all arrays at one place.
template <class Moment, int kValues>
struct Packs {
  Pack<float, kValues> values, gradients, teacher;
  Pack<Moment, kValues> first, second;
};

/// a + weight * (b - a), from the nearer end.
__device__ float lerp_rounded(float a, float b, float weight) {
  const bool from_a = weight < 0.5F;
  return __fmaf_rn(from_a ? weight : weight - 1, __fsub_rn(b, a), from_a ? a : b);
}

/// One value of each array, each operation rounded as in adamw_range.cpp; `place` is its place in the whole memory.
template <bool kFollowed, class Moment, int kValues>
__device__ void update_value(Packs<Moment, kValues>& packs, int i, std::uint32_t place, const AdamwFactors& f,
                             float scale) {
  float& value = packs.values.at[i];
  Moment &first = packs.first.at[i], &second = packs.second.at[i];
  const float gradient = __fmul_rn(packs.gradients.at[i], scale);
  const float mean = lerp_rounded(widened(first), gradient, f.first_weight);
  const float square =
      __fmaf_rn(__fmul_rn(f.second_weight, gradient), gradient, __fmul_rn(widened(second), f.second_keep));
  if constexpr (std::is_same_v<Moment, float>) {
    first = mean;
    second = square;
  } else {
    const std::uint32_t chance = chance_of(place, f);
    first = narrowed_by_chance(mean, chance & 0xFFFFU);
    second = narrowed_by_chance(square, chance >> 16U);
  }
  const float root = __fadd_rn(__fdiv_rn(__fsqrt_rn(square), f.root_scale), f.epsilon);
  value = __fadd_rn(__fmul_rn(value, f.keep), __fdiv_rn(__fmul_rn(-f.step, mean), root));
  if constexpr (kFollowed) packs.teacher.at[i] = lerp_rounded(packs.teacher.at[i], value, f.follow);
}

template <int kValues>
__device__ Pack<std::uint16_t, kValues> narrowed_pack(const Pack<float, kValues>& values) {
  Pack<std::uint16_t, kValues> half;
#pragma unroll
  for (int i = 0; i < kValues; ++i) half.at[i] = narrowed<std::uint16_t>(values.at[i]);
  return half;
}

/// Of a range that is `kValues` times `count` values long; kThreads * kPacks packs a block.
template <bool kFollowed, bool kHalved, int kValues, class Moment>
__global__ __launch_bounds__(kThreads) void update(AdamwRange<Moment> range, AdamwFactors factors, const float* scale,
                                                   std::int64_t count) {
  const std::int64_t begin = std::int64_t{kThreads} * kPacks * blockIdx.x + threadIdx.x;
  const float by = *scale;
  Packs<Moment, kValues> packs[kPacks];
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
    store(range.gradients, pack, Pack<float, kValues>{});
    if (!isfinite(by)) continue;
#pragma unroll
    for (int i = 0; i < kValues; ++i)
      update_value<kFollowed>(packs[k], i, static_cast<std::uint32_t>(range.offset + pack * kValues + i), factors, by);
    store(range.first, pack, packs[k].first);
    store(range.second, pack, packs[k].second);
    store(range.values, pack, packs[k].values);
    if constexpr (kHalved) store(range.half, pack, narrowed_pack(packs[k].values));
    if constexpr (kFollowed) store(range.teacher, pack, packs[k].teacher);
    if constexpr (kFollowed && kHalved) store(range.teacher_half, pack, narrowed_pack(packs[k].teacher));
  }
}

template <int kValues, class Moment>
void launch(const AdamwRange<Moment>& range, const AdamwFactors& factors, const float* scale) {
  if (range.size == 0) return;
  constexpr std::int64_t kPacksOfBlock = std::int64_t{kThreads} * kPacks;
  const std::int64_t count = range.size / kValues;
  const auto blocks = static_cast<unsigned>((count + kPacksOfBlock - 1) / kPacksOfBlock);
  const auto plain = range.teacher ? update<true, false, kValues, Moment> : update<false, false, kValues, Moment>;
  const auto halved = range.teacher ? update<true, true, kValues, Moment> : update<false, true, kValues, Moment>;
  const auto kernel = range.half ? halved : plain;
  kernel<<<blocks, kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(range, factors, scale, count);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

template <class T>
bool is_aligned(const T* array) {
  return reinterpret_cast<std::uintptr_t>(array) % alignof(Pack<T, kPackValues>) == 0;
}

template <class Moment>
void launch_all(const AdamwRange<Moment>& range, const AdamwFactors& factors, const float* scale) {
  const bool is_packed = is_aligned(range.values) && is_aligned(range.gradients) && is_aligned(range.first) &&
                         is_aligned(range.second) && is_aligned(range.teacher) && is_aligned(range.half) &&
                         is_aligned(range.teacher_half);
  const std::int64_t packed = is_packed ? range.size / kPackValues * kPackValues : 0;
  launch<kPackValues>(range.part(0, packed), factors, scale);
  launch<1>(range.part(packed, range.size), factors, scale);
}

}  // namespace

void adamw_on_device(const AdamwRange<float>& range, const AdamwFactors& factors, const float* scale) {
  launch_all(range, factors, scale);
}

void adamw_on_device(const AdamwRange<std::uint16_t>& range, const AdamwFactors& factors, const float* scale) {
  launch_all(range, factors, scale);
}

}  // namespace cairn::kernels

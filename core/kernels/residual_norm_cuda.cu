#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <type_traits>

#include "kernels/bfloat16_packs.cuh"
#include "kernels/residual_norm_device.h"

namespace cairn::kernels {
namespace {

constexpr int kThreads = 256;          // of a block of the backward pass: eight rows by a warp, or two by four warps
constexpr int kForwardThreads = 128;   // half of that
constexpr int kShortest = 32 * 4 * 4;  // widest row that one warp takes
constexpr int kBlocks = 132 * 3;       // of the backward pass: three for each of an H100's multiprocessors

__device__ float total(const float4& v) { return (v.x + v.y) + (v.z + v.w); }

/// Sum over the kWide threads of a row, the same in every one. `shared` is used again only after the next call's
/// barrier.
template <int kWide>
__device__ float2 row_sum(float2 value, float2* shared) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    value.x += __shfl_xor_sync(0xFFFFFFFF, value.x, offset);
    value.y += __shfl_xor_sync(0xFFFFFFFF, value.y, offset);
  }
  if constexpr (kWide > 32) {
    const auto wait = [] { asm volatile("bar.sync %0, %1;" ::"r"(threadIdx.y + 1), "n"(kWide) : "memory"); };
    wait();
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
    wait();
    value = shared[0];
#pragma unroll
    for (int warp = 1; warp < kWide / 32; ++warp) value = {value.x + shared[warp].x, value.y + shared[warp].y};
  }
  return value;
}

/// kWide threads a row, kPacks packs of four values a thread.
template <int kWide, int kPacks>
__global__ __launch_bounds__(kForwardThreads) void forward(ResidualNorm pass, ResidualNormShape shape) {
  __shared__ float2 shared[kForwardThreads / 32];
  float2* own = shared + threadIdx.y * (kWide / 32);
  const int packs = static_cast<int>(shape.width / 4);
  const std::int64_t row = std::int64_t{kForwardThreads / kWide} * blockIdx.x + threadIdx.y, begin = row * packs;
  if (row >= shape.rows) return;
  const auto* stream = reinterpret_cast<const float4*>(pass.stream) + begin;
  const auto* branch = reinterpret_cast<const Packed4*>(pass.branch) + begin;
  float4 x[kPacks];
  float2 sums = {0, 0};
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    const int at = k * kWide + static_cast<int>(threadIdx.x);
    if (at >= packs) break;
    x[k] = stream[at];
    if (pass.branch) {
      const float4 b = unpack(branch[at]);
      x[k] = {x[k].x + b.x, x[k].y + b.y, x[k].z + b.z, x[k].w + b.w};
      reinterpret_cast<float4*>(pass.sum)[begin + at] = x[k];
    }
    sums.x += total(x[k]);
  }
  const float width = static_cast<float>(shape.width);
  const float mean = row_sum<kWide>(sums, own).x / width;
  sums = {0, 0};
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    const int at = k * kWide + static_cast<int>(threadIdx.x);
    if (at >= packs) break;
    const float4 d = {x[k].x - mean, x[k].y - mean, x[k].z - mean, x[k].w - mean};
    sums.x += total({d.x * d.x, d.y * d.y, d.z * d.z, d.w * d.w});
  }
  const float inverse = rsqrtf(row_sum<kWide>(sums, own).x / width + shape.epsilon);
  if (threadIdx.x == 0) {
    pass.mean[row] = mean;
    pass.inverse[row] = inverse;
  }
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    const int at = k * kWide + static_cast<int>(threadIdx.x);
    if (at >= packs) break;
    const float4 g = reinterpret_cast<const float4*>(pass.gamma)[at],
                 b = reinterpret_cast<const float4*>(pass.beta)[at];
    reinterpret_cast<Packed4*>(pass.normed)[begin + at] =
        pack({(x[k].x - mean) * inverse * g.x + b.x, (x[k].y - mean) * inverse * g.y + b.y,
              (x[k].z - mean) * inverse * g.z + b.z, (x[k].w - mean) * inverse * g.w + b.w});
  }
}

/// dx = (g - mean(g) - xhat mean(g xhat)) / deviation + gradient of the sum, where g = dy gamma.
template <int kWide, int kPacks>
__global__ __launch_bounds__(kThreads, kPacks < 4 ? 3 : 2) void backward(ResidualNormGradient pass,
                                                                         ResidualNormShape shape) {
  __shared__ float2 shared[kThreads / 32];
  __shared__ float4 of_rows[2][kThreads];
  constexpr int kRows = kThreads / kWide;
  float2* own = shared + threadIdx.y * (kWide / 32);
  const int packs = static_cast<int>(shape.width / 4);
  const float width = static_cast<float>(shape.width);
  float4 of_gamma[kPacks] = {}, of_beta[kPacks] = {};
  for (std::int64_t row = std::int64_t{kRows} * blockIdx.x + threadIdx.y; row < shape.rows;
       row += std::int64_t{kRows} * gridDim.x) {
    const std::int64_t begin = row * packs;
    const float mean = pass.mean[row], inverse = pass.inverse[row];
    float4 xhat[kPacks], g[kPacks], through[kPacks];
    float2 sums = {0, 0};
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      const int at = k * kWide + static_cast<int>(threadIdx.x);
      if (at >= packs) break;
      const float4 x = reinterpret_cast<const float4*>(pass.sum)[begin + at];
      const float4 dy = unpack(reinterpret_cast<const Packed4*>(pass.of_normed)[begin + at]);
      through[k] = pass.of_sum ? reinterpret_cast<const float4*>(pass.of_sum)[begin + at] : float4{0, 0, 0, 0};
      const float4 gamma = reinterpret_cast<const float4*>(pass.gamma)[at];
      const float4 h = {(x.x - mean) * inverse, (x.y - mean) * inverse, (x.z - mean) * inverse, (x.w - mean) * inverse};
      xhat[k] = h;
      g[k] = {dy.x * gamma.x, dy.y * gamma.y, dy.z * gamma.z, dy.w * gamma.w};
      sums.x += total(g[k]);
      sums.y += total({g[k].x * h.x, g[k].y * h.y, g[k].z * h.z, g[k].w * h.w});
      add(of_gamma[k], {dy.x * h.x, dy.y * h.y, dy.z * h.z, dy.w * h.w});
      add(of_beta[k], dy);
    }
    sums = row_sum<kWide>(sums, own);
    const float a = sums.x / width, b = sums.y / width;
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      const int at = k * kWide + static_cast<int>(threadIdx.x);
      if (at >= packs) break;
      const float4 h = xhat[k], t = through[k];
      const float4 dx = {(g[k].x - a - h.x * b) * inverse + t.x, (g[k].y - a - h.y * b) * inverse + t.y,
                         (g[k].z - a - h.z * b) * inverse + t.z, (g[k].w - a - h.w * b) * inverse + t.w};
      reinterpret_cast<float4*>(pass.of_stream)[begin + at] = dx;
      if (pass.of_branch) reinterpret_cast<Packed4*>(pass.of_branch)[begin + at] = pack(dx);
    }
  }
  auto* parts = reinterpret_cast<float4*>(pass.parts) + std::int64_t{2} * blockIdx.x * packs;
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    const int at = k * kWide + static_cast<int>(threadIdx.x);
    __syncthreads();
    of_rows[0][threadIdx.y * kWide + threadIdx.x] = of_gamma[k];
    of_rows[1][threadIdx.y * kWide + threadIdx.x] = of_beta[k];
    __syncthreads();
    if (threadIdx.y > 1 || at >= packs) continue;  // the first row's threads sum one, the second's the other
    float4 sum = of_rows[threadIdx.y][threadIdx.x];
    for (int y = 1; y < kRows; ++y) add(sum, of_rows[threadIdx.y][y * kWide + threadIdx.x]);
    parts[threadIdx.y * packs + at] = sum;
  }
}

/// A warp a row where it is short, four where it is long.
bool is_short(const ResidualNormShape& shape) { return shape.width <= kShortest; }

/// Calls `run` with the threads of a row and the packs of a thread that the width takes, as types.
template <class F>
void for_width(const ResidualNormShape& shape, F&& run) {
  const auto of = [&](auto wide) {
    const std::int64_t packs = (shape.width / 4 + wide.value - 1) / wide.value;
    if (packs <= 2)
      run(wide, std::integral_constant<int, 2>());
    else if (packs == 3)
      run(wide, std::integral_constant<int, 3>());
    else
      run(wide, std::integral_constant<int, 4>());
  };
  if (is_short(shape))
    of(std::integral_constant<int, 32>());
  else
    of(std::integral_constant<int, 128>());
}

std::int64_t blocks_of(const ResidualNormShape& shape, int threads) {
  const std::int64_t rows = threads / (is_short(shape) ? 32 : 128);
  return (shape.rows + rows - 1) / rows;
}

}  // namespace

std::int64_t residual_norm_parts(const ResidualNormShape& shape) {
  return std::min<std::int64_t>(blocks_of(shape, kThreads), kBlocks);
}

void residual_norm(const ResidualNorm& pass, const ResidualNormShape& shape) {
  const auto blocks = static_cast<unsigned>(blocks_of(shape, kForwardThreads));
  for_width(shape, [&](auto wide, auto packs) {
    constexpr int kWide = decltype(wide)::value;
    const dim3 threads(kWide, kForwardThreads / kWide);
    forward<kWide, decltype(packs)::value><<<blocks, threads, 0, c10::cuda::getCurrentCUDAStream()>>>(pass, shape);
  });
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

void residual_norm_backward(const ResidualNormGradient& pass, const ResidualNormShape& shape) {
  const auto blocks = static_cast<unsigned>(residual_norm_parts(shape));
  for_width(shape, [&](auto wide, auto packs) {
    constexpr int kWide = decltype(wide)::value;
    const dim3 threads(kWide, kThreads / kWide);
    backward<kWide, decltype(packs)::value><<<blocks, threads, 0, c10::cuda::getCurrentCUDAStream()>>>(pass, shape);
  });
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace cairn::kernels

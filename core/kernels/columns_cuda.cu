#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>

#include "kernels/bfloat16_packs.cuh"
#include "kernels/columns_device.h"

namespace cairn::kernels {
namespace {

constexpr int kThreads = 512;
constexpr int kMostPacks = 256;   // of eight columns, that a block covers
constexpr int kBlocks = 132 * 2;  // that fill an H100
constexpr int kSumColumns = 32, kSumRows = 16;

struct Eight {
  float4 low, high;
};

__device__ Eight unpack(const Packed8& packed) { return {unpack(packed.low), unpack(packed.high)}; }

/// The normal distribution up to x, and sqrt(2 pi) times its density there (Abramowitz & Stegun 1964, 7.1.26).
__device__ float2 normal(float x) {
  const float bell = __expf(-0.5F * x * x), t = __fdividef(1, 1 + 0.23164189F * fabsf(x));
  const float series =
      t * (0.254829592F + t * (-0.284496736F + t * (1.421413741F + t * (-1.453152027F + t * 1.061405429F))));
  const float tail = 0.5F * series * bell;
  return {x < 0 ? tail : 1 - tail, bell};
}

__device__ float gelu_of(float x) { return x * normal(x).x; }
__device__ float4 gelu_of(const float4& x) { return {gelu_of(x.x), gelu_of(x.y), gelu_of(x.z), gelu_of(x.w)}; }

__device__ float slope(float x) {
  const float2 at = normal(x);
  return at.x + x * 0.39894228F * at.y;
}
__device__ float4 slope(const float4& x, const float4& g) {
  return {g.x * slope(x.x), g.y * slope(x.y), g.z * slope(x.z), g.w * slope(x.w)};
}

struct Sum {
  const Packed8* rows;

  __device__ Eight operator()(std::int64_t row, int column, int packs) const {
    return unpack(rows[row * packs + column]);
  }
};

struct PackThree {
  const Packed8* from[3];
  Packed8* packed;

  __device__ Eight operator()(std::int64_t row, int column, int packs) const {
    const int third = packs / 3, which = column / third;
    const Packed8* source = which == 0 ? from[0] : which == 1 ? from[1] : from[2];
    const Packed8 values = source[row * third + column - which * third];
    packed[row * packs + column] = values;
    return unpack(values);
  }
};

struct GeluBackward {
  const Packed8* x;
  const Packed8* of_output;
  Packed8* of_x;

  __device__ Eight operator()(std::int64_t row, int column, int packs) const {
    const std::int64_t at = row * packs + column;
    const Eight point = unpack(x[at]), gradient = unpack(of_output[at]);
    const Eight out = {slope(point.low, gradient.low), slope(point.high, gradient.high)};
    of_x[at] = {pack(out.low), pack(out.high)};
    return out;
  }
};

/// A block covers blockDim.x packs of columns; its blockDim.y threads of a pack take rows in turn with all other
/// blocks'.
template <class Operation>
__global__ __launch_bounds__(kThreads, 2) void over_columns(Operation operation, float4* parts, std::int64_t rows,
                                                            int packs) {
  __shared__ Eight shared[kThreads];
  const int column = static_cast<int>(blockDim.x * blockIdx.x + threadIdx.x);
  const int at = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  const std::int64_t step = std::int64_t{gridDim.y} * blockDim.y;
  Eight sum = {};
  if (column < packs) {
#pragma unroll 2
    for (std::int64_t row = std::int64_t{blockIdx.y} * blockDim.y + threadIdx.y; row < rows; row += step) {
      const Eight values = operation(row, column, packs);
      add(sum.low, values.low);
      add(sum.high, values.high);
    }
  }
  shared[at] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || column >= packs) return;
  for (unsigned y = 1; y < blockDim.y; ++y) {
    add(sum.low, shared[y * blockDim.x + threadIdx.x].low);
    add(sum.high, shared[y * blockDim.x + threadIdx.x].high);
  }
  float4* part = parts + 2 * (std::int64_t{blockIdx.y} * packs + column);
  part[0] = sum.low;
  part[1] = sum.high;
}

__global__ __launch_bounds__(kThreads) void gelu_values(const Packed8* x, Packed8* out, std::int64_t packs) {
  const std::int64_t step = std::int64_t{gridDim.x} * kThreads;
#pragma unroll 2
  for (std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; i < packs; i += step) {
    const Eight values = unpack(x[i]);
    out[i] = {pack(gelu_of(values.low)), pack(gelu_of(values.high))};
  }
}

struct Halves {
  float4 *first, *second;
  int size;  // packs of the first
};

/// A block sums kSumColumns packs of four columns.
__global__ __launch_bounds__(kSumColumns* kSumRows) void sum_all_parts(const float4* parts, Halves sums, int count,
                                                                       int packs, bool adds) {
  __shared__ float4 shared[kSumRows][kSumColumns];
  const int column = static_cast<int>(kSumColumns * blockIdx.x + threadIdx.x);
  float4 sum = {};
  if (column < packs) {
#pragma unroll 8
    for (int row = static_cast<int>(threadIdx.y); row < count; row += kSumRows)
      add(sum, parts[std::int64_t{row} * packs + column]);
  }
  shared[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || column >= packs) return;
  for (int y = 1; y < kSumRows; ++y) add(sum, shared[y][threadIdx.x]);
  float4& out = column < sums.size ? sums.first[column] : sums.second[column - sums.size];
  if (adds) add(sum, out);
  out = sum;
}

std::int64_t ceiling(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

std::int64_t blocks_wide(const ColumnsShape& shape) {
  return std::max<std::int64_t>(ceiling(shape.width / 8, kMostPacks), 1);
}

dim3 threads_of(const ColumnsShape& shape) {
  const auto wide = static_cast<unsigned>(ceiling(shape.width / 8, blocks_wide(shape)));
  return {wide, kThreads / wide};
}

template <class Operation>
void launch(const Operation& operation, float* parts, const ColumnsShape& shape) {
  const dim3 blocks(static_cast<unsigned>(blocks_wide(shape)), static_cast<unsigned>(column_parts(shape)));
  over_columns<<<blocks, threads_of(shape), 0, c10::cuda::getCurrentCUDAStream()>>>(
      operation, reinterpret_cast<float4*>(parts), shape.rows, static_cast<int>(shape.width / 8));
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

const Packed8* packs_of(const void* values) { return static_cast<const Packed8*>(values); }

}  // namespace

std::int64_t column_parts(const ColumnsShape& shape) {
  return std::clamp<std::int64_t>(kBlocks / blocks_wide(shape), 1, ceiling(shape.rows, threads_of(shape).y));
}

void sum_columns(const void* rows, float* parts, const ColumnsShape& shape) {
  launch(Sum{packs_of(rows)}, parts, shape);
}

void pack_columns(const std::array<const void*, 3>& from, void* packed, float* parts, const ColumnsShape& shape) {
  launch(PackThree{{packs_of(from[0]), packs_of(from[1]), packs_of(from[2])}, static_cast<Packed8*>(packed)}, parts,
         shape);
}

void gelu_backward_columns(const void* x, const void* of_output, void* of_x, float* parts, const ColumnsShape& shape) {
  launch(GeluBackward{packs_of(x), packs_of(of_output), static_cast<Packed8*>(of_x)}, parts, shape);
}

void gelu(const void* x, void* out, std::int64_t count) {
  const std::int64_t packs = count / 8;
  const auto blocks = static_cast<unsigned>(std::clamp<std::int64_t>(ceiling(packs, kThreads), 1, 4 * kBlocks));
  gelu_values<<<blocks, kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(packs_of(x), static_cast<Packed8*>(out),
                                                                          packs);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

void sum_parts(const float* parts, const std::array<float*, 2>& sums, const PartsShape& shape) {
  const dim3 threads(kSumColumns, kSumRows);
  const auto packs = static_cast<int>(shape.width / 4);
  const auto blocks = static_cast<unsigned>(ceiling(packs, kSumColumns));
  const Halves halves = {reinterpret_cast<float4*>(sums[0]), reinterpret_cast<float4*>(sums[1]),
                         sums[1] ? packs / 2 : packs};
  sum_all_parts<<<blocks, threads, 0, c10::cuda::getCurrentCUDAStream()>>>(
      reinterpret_cast<const float4*>(parts), halves, static_cast<int>(shape.count), packs, shape.adds);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace cairn::kernels

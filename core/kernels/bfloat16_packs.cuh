#pragma once

#include <cuda_bf16.h>

namespace cairn::kernels {

/// Four neighbouring values, loaded and stored by one instruction.
struct alignas(8) Packed4 {
  __nv_bfloat162 low, high;
};

__device__ inline float4 unpack(const Packed4& packed) {
  const float2 low = __bfloat1622float2(packed.low), high = __bfloat1622float2(packed.high);
  return {low.x, low.y, high.x, high.y};
}

__device__ inline Packed4 pack(const float4& v) {
  return {__floats2bfloat162_rn(v.x, v.y), __floats2bfloat162_rn(v.z, v.w)};
}

__device__ inline void add(float4& sum, const float4& v) { sum = {sum.x + v.x, sum.y + v.y, sum.z + v.z, sum.w + v.w}; }

/// Eight of them.
struct alignas(16) Packed8 {
  Packed4 low, high;
};

}  // namespace cairn::kernels

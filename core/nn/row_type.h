#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cairn::nn {

inline bool is_half(const at::Tensor& x) { return x.scalar_type() == at::kBFloat16; }

/// work(T()) for what x is kept in: float, or bfloat16 by its bits.
template <class Work>
void in_type_of(const at::Tensor& x, Work&& work) {
  is_half(x) ? work(std::uint16_t()) : work(float());
}

/// Null where `x` is undefined.
template <class T = float>
T* data_of(const at::Tensor& x) {
  return x.defined() ? static_cast<T*>(x.data_ptr()) : nullptr;
}

}  // namespace cairn::nn

#include "kernels/half_product.h"

#include <ATen/native/CPUBlas.h>

namespace cairn::kernels {

void multiply(const std::uint16_t* a, const std::uint16_t* b, float* c, const HalfProduct& size) {
  at::native::cpublas::brgemm(size.m, size.n, size.k, size.a_stride, size.n, size.c_stride, size.adds,
                              reinterpret_cast<const at::BFloat16*>(a), reinterpret_cast<const at::BFloat16*>(b), c);
}

HalfProducts::~HalfProducts() { at::native::cpublas::brgemm_release(); }

}  // namespace cairn::kernels

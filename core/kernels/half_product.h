#pragma once

#include <cstdint>

namespace cairn::kernels {

/// c [m,n] = a [m,k] b [k,n], or c += where `adds`: a and b in bfloat16 (by their bits), b in pairs of rows as in
/// kernels/half_matrices.h, sums in float32. By oneDNN's kernels through ATen, which makes one for each of these: k is
/// a multiple of 32.
struct HalfProduct {
  std::int64_t m = 0, n = 0, k = 0;
  std::int64_t a_stride = 0, c_stride = 0;  // between rows
  bool adds = false;
};

void multiply(const std::uint16_t* a, const std::uint16_t* b, float* c, const HalfProduct& size);

/// While a thread multiplies; gives its matrix unit back, which others set up for themselves.
class HalfProducts {
 public:
  HalfProducts() = default;
  ~HalfProducts();
  HalfProducts(const HalfProducts&) = delete;
  HalfProducts& operator=(const HalfProducts&) = delete;
};

}  // namespace cairn::kernels

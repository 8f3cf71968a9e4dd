#pragma once

#include <ATen/ATen.h>

namespace cairn::test {

/// |a - b| / |b| in float64.
inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.to(at::kCPU, at::kDouble), y = b.to(at::kCPU, at::kDouble);
  return ((x - y).norm() / y.norm()).item<double>();
}

}  // namespace cairn::test

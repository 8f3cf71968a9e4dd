#pragma once

#include <ATen/ATen.h>

namespace cairn::test {

inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

}  // namespace cairn::test

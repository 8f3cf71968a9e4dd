#pragma once

#include <ATen/Context.h>
#include <c10/core/Device.h>

#include <catch2/catch.hpp>
#include <vector>

namespace cairn::test {

/// Whether there is a CUDA device; where there is none, says so for ctest, which then calls the test skipped.
inline bool has_cuda() {
  if (at::hasCUDA()) return true;
  WARN("there is no CUDA device");
  return false;
}

/// What a test with the tag [devices] runs on: the CPU, and a CUDA device where there is one.
inline std::vector<at::Device> devices() {
  std::vector<at::Device> all = {at::kCPU};
  if (has_cuda()) all.emplace_back(at::kCUDA, 0);
  return all;
}

}  // namespace cairn::test

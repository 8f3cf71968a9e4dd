#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <future>
#include <vector>

namespace cairn::kernels {

/// Calls work(begin, end) for parts of [0, size), on as many threads as ATen computes with, `grain` or more for each.
/// (at::parallel_for is serial in sources that are not compiled with OpenMP.)
template <class Work>
void split_work(std::int64_t size, std::int64_t grain, const Work& work) {
  const std::int64_t threads = std::clamp<std::int64_t>(size / grain, 1, at::get_num_threads());
  std::vector<std::future<void>> parts;
  for (std::int64_t t = 1; t < threads; ++t)
    parts.push_back(std::async(std::launch::async, work, size * t / threads, size * (t + 1) / threads));
  work(0, size / threads);
  for (auto& part : parts) part.get();
}

}  // namespace cairn::kernels

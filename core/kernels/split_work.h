#pragma once

#include <cstdint>
#include <functional>

namespace cairn::kernels {

/// Calls work(begin, end) for parts of [0, size), on as many threads as ATen computes with, `grain` or more for each.
/// (at::parallel_for is serial in sources that are not compiled with OpenMP.)
void split_work(std::int64_t size, std::int64_t grain, const std::function<void(std::int64_t, std::int64_t)>& work);

/// From here on ATen computes for the calling thread on that thread alone. (c10::ParallelGuard does not see to it where
/// ATen's threads are OpenMP's.)
void work_alone();

}  // namespace cairn::kernels

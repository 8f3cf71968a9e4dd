#include "kernels/split_work.h"

#include <ATen/Parallel.h>

namespace cairn::kernels {

void split_work(std::int64_t size, std::int64_t grain, const std::function<void(std::int64_t, std::int64_t)>& work) {
  at::parallel_for(0, size, grain, work);
}

}  // namespace cairn::kernels

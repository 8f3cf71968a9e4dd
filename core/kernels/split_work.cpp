#include "kernels/split_work.h"

#include <ATen/Parallel.h>
#include <omp.h>

namespace cairn::kernels {

void split_work(std::int64_t size, std::int64_t grain, const std::function<void(std::int64_t, std::int64_t)>& work) {
  at::parallel_for(0, size, grain, work);
}

void work_alone() {
  // What sets the number of a thread when it first computes has done so then: there are two copies of it.
  at::internal::lazy_init_num_threads();
  at::get_num_threads();
  omp_set_num_threads(1);
}

}  // namespace cairn::kernels

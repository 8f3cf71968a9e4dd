#include "cli/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "cairn/error.h"
#include "kernels/cuda_half.h"

namespace cairn {

at::Device choose_device(const std::string& asked) {
  if (asked == "cpu" || (asked == "auto" && !at::globalContext().hasCUDA())) return at::kCPU;
  if (!at::globalContext().hasCUDA())
    throw Error("--device cuda: no CUDA device can be used here", kernels::cuda_trouble(),
                "choose --device cpu, or check with: cairn info");
  return {at::kCUDA, 0};
}

void use_threads(std::int64_t threads) {
  // LibTorch has read OMP_NUM_THREADS itself.
  if (threads == 0 && std::getenv("OMP_NUM_THREADS") != nullptr) return;
  at::set_num_threads(threads > 0 ? static_cast<int>(threads)
                                  : static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
}

}  // namespace cairn

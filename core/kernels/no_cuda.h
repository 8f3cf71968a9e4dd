#pragma once

#include "cairn/error.h"

namespace cairn::kernels {

/// What stands for every kernel where Cairn is built without CUDA.
[[noreturn]] inline void refuse_without_cuda() {
  throw Error("this Cairn is built without CUDA", "", "build it where a CUDA toolkit is, with -DCAIRN_CUDA=ON");
}

}  // namespace cairn::kernels

#include "cairn/error.h"
#include "kernels/adamw_device.h"

namespace cairn::kernels {

// In place of adamw_cuda.cu where Cairn is built without CUDA.
void adamw_on_device(const AdamwRange&, const AdamwFactors&, const float*) {
  throw Error("this Cairn is built without CUDA", "", "build it where a CUDA toolkit is, with -DCAIRN_CUDA=ON");
}

}  // namespace cairn::kernels

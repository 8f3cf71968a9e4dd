#include "cairn/error.h"
#include "kernels/adamw_device.h"
#include "kernels/columns_device.h"
#include "kernels/residual_norm_device.h"

namespace cairn::kernels {
namespace {

[[noreturn]] void refuse() {
  throw Error("this Cairn is built without CUDA", "", "build it where a CUDA toolkit is, with -DCAIRN_CUDA=ON");
}

}  // namespace

// In place of the .cu files where Cairn is built without CUDA.
void adamw_on_device(const AdamwRange&, const AdamwFactors&, const float*) { refuse(); }

std::int64_t residual_norm_parts(const ResidualNormShape&) { refuse(); }
void residual_norm(const ResidualNorm&, const ResidualNormShape&) { refuse(); }
void residual_norm_backward(const ResidualNormGradient&, const ResidualNormShape&) { refuse(); }

std::int64_t column_parts(const ColumnsShape&) { refuse(); }
void sum_columns(const void*, float*, const ColumnsShape&) { refuse(); }
void pack_columns(const std::array<const void*, 3>&, void*, float*, const ColumnsShape&) { refuse(); }
void gelu_backward_columns(const void*, const void*, void*, float*, const ColumnsShape&) { refuse(); }
void gelu(const void*, void*, std::int64_t) { refuse(); }
void sum_parts(const float*, const std::array<float*, 2>&, const PartsShape&) { refuse(); }

}  // namespace cairn::kernels

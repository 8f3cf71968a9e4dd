#include "kernels/adamw_device.h"
#include "kernels/columns_device.h"
#include "kernels/no_cuda.h"
#include "kernels/residual_norm_device.h"

namespace cairn::kernels {

// In place of the .cu files where Cairn is built without CUDA.
void adamw_on_device(const AdamwRange<float>&, const AdamwFactors&, const float*) { refuse_without_cuda(); }
void adamw_on_device(const AdamwRange<std::uint16_t>&, const AdamwFactors&, const float*) { refuse_without_cuda(); }

std::int64_t residual_norm_parts(const ResidualNormShape&) { refuse_without_cuda(); }
void residual_norm(const ResidualNorm&, const ResidualNormShape&) { refuse_without_cuda(); }
void residual_norm_backward(const ResidualNormGradient&, const ResidualNormShape&) { refuse_without_cuda(); }

std::int64_t column_parts(const ColumnsShape&) { refuse_without_cuda(); }
void sum_columns(const void*, float*, const ColumnsShape&) { refuse_without_cuda(); }
void pack_columns(const std::array<const void*, 3>&, void*, float*, const ColumnsShape&) { refuse_without_cuda(); }
void gelu_backward_columns(const void*, const void*, void*, float*, const ColumnsShape&) { refuse_without_cuda(); }
void gelu(const void*, void*, std::int64_t) { refuse_without_cuda(); }
void sum_parts(const float*, const std::array<float*, 2>&, const PartsShape&) { refuse_without_cuda(); }

}  // namespace cairn::kernels

#pragma once

#include <array>
#include <cstdint>

namespace cairn::kernels {

/// Rows [M,N] of bfloat16 on the current CUDA device, one after another, each at a multiple of 16 bytes: N is a
/// multiple of 8.
struct ColumnsShape {
  std::int64_t rows = 0;
  std::int64_t width = 0;
};

/// Every pass over columns leaves their sums, a linear map's bias gradient, on the way of other work: as float32 parts
/// [column_parts(),N] for sum_parts(). All run on the current stream and throw where Cairn has no CUDA.
std::int64_t column_parts(const ColumnsShape& shape);

void sum_columns(const void* rows, float* parts, const ColumnsShape& shape);

/// Lays three matrices [M,N/3] side by side as `packed` [M,N]; N / 3 is a multiple of 8.
void pack_columns(const std::array<const void*, 3>& from, void* packed, float* parts, const ColumnsShape& shape);

/// The gradient of gelu() at x [M,N], from that of its output.
void gelu_backward_columns(const void* x, const void* of_output, void* of_x, float* parts, const ColumnsShape& shape);

/// GELU (erf; Hendrycks & Gimpel 2016) of `count` values, a multiple of 8; to 2e-7 before it is rounded.
void gelu(const void* x, void* out, std::int64_t count);

/// What sum_parts() is to do.
struct PartsShape {
  std::int64_t count = 0;
  std::int64_t width = 0;  // a multiple of 4, of 8 where there are two halves
  bool adds = false;       // to what is there
};

/// parts [P,N] to sums [N]; where there are two, their first half [N/2] and their second.
void sum_parts(const float* parts, const std::array<float*, 2>& sums, const PartsShape& shape);

}  // namespace cairn::kernels

#pragma once

#include <cstdint>

namespace cairn::kernels {

/// float32 rows [rows,width] on the CPU, one after another.
struct RowsShape {
  std::int64_t rows = 0;
  std::int64_t width = 0;
};

/// Rows [rows,width] that lie `stride` apart.
struct StridedRows {
  std::int64_t rows = 0;
  std::int64_t width = 0;
  std::int64_t stride = 0;
};

}  // namespace cairn::kernels

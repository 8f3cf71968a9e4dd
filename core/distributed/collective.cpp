#include "cairn/collective.h"

namespace cairn {

at::Tensor gather_rows(const at::Tensor& rows) { return rows; }

std::int64_t first_gathered_row(std::int64_t) { return 0; }

}  // namespace cairn

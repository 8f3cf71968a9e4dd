#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// A bank of rows rounded to bfloat16. Products with it are off by no more than rounding can be, so it tells which rows
/// may be the nearest; float32 has to look at those alone.
class CAIRN_API CoarseBank {
 public:
  /// `bank` float [N,D] of rows of unit length.
  explicit CoarseBank(const at::Tensor& bank);

  /// For each of `queries` [M,D] of unit length ascending rows of the bank, all of its `count` nearest among them.
  /// Nothing where the bank is too much alike to be told apart coarsely.
  std::optional<std::vector<std::vector<std::int64_t>>> candidates(const at::Tensor& queries, std::size_t count) const;

 private:
  at::Tensor mean_;                    // float [D]: subtracted, as rounding goes by length
  at::Tensor rounded_;                 // bfloat16 [N,D]
  at::Tensor offset_;                  // float [N]: a row times the mean
  double length_ = 0.0, error_ = 0.0;  // the longest rounded row, and the largest rounding of a row
};

}  // namespace cairn

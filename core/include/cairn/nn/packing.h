#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "cairn/export.h"

namespace cairn::nn {

/// Rows of unequal length laid end to end, so that nothing is computed for places that are empty: [B,N,D] to [1,T,D]
/// and back, with attention inside each row only (Krell et al. 2021, without their choice of rows). Undefined where all
/// rows are full; tensors then stay as they are.
class CAIRN_API Packing {
 public:
  /// Places side by side in every row, of which row b fills the first `lengths[b]`; all where there are no lengths.
  struct Run {
    std::int64_t places = 0;
    std::vector<std::int64_t> lengths = {};
  };

  Packing() = default;
  /// Rows made of these runs, one behind the other. Error if the lengths do not fit.
  Packing(const std::vector<Run>& runs, std::int64_t batch, at::Device device);

  bool defined() const { return !starts_.empty(); }
  /// [B,N,D] to [1,T,D].
  at::Tensor pack(const at::Tensor& x) const;
  /// [1,T,D] to [B,N,D], with zeros in empty places.
  at::Tensor unpack(const at::Tensor& x) const;
  /// One value for each row, [B,1,1], to one for each of its tokens, [1,T,1].
  at::Tensor spread(const at::Tensor& x) const;
  /// The places that are not empty, bool [B,1,1,N]: a mask for attention between unpacked rows.
  const at::Tensor& filled() const { return filled_; }
  /// Where each row begins among the T tokens, and T: B+1 numbers.
  const std::vector<std::int64_t>& starts() const { return starts_; }

 private:
  std::vector<std::int64_t> starts_;
  at::Tensor filled_;
  at::Tensor places_;  // int64 [T], of each token in [B*N]
  at::Tensor rows_;    // int64 [T], the row of each token
};

}  // namespace cairn::nn

#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cairn/token_grid.h"

namespace cairn {

/// What a view is for: `global` covers most of the sample, `local` a small crop of it.
enum class ViewRole : std::uint8_t { global, local };

/// Shape and role of a view before there is data: what a masker plans with.
struct ViewLayout {
  TokenGrid grid;
  ViewRole role = ViewRole::global;
};

/// One tensor shown to a network, with its token grid.
struct View {
  at::Tensor data;  // [B,C,...], one dimension behind C for each axis of the grid
  TokenGrid grid;
  ViewRole role = ViewRole::global;
};

/// One sample as loaded: a tensor [C,...] for each view, and what is known of it. Label -1 means none.
struct Sample {
  std::vector<at::Tensor> views;
  std::int64_t id = 0;
  std::int64_t label = -1;
  std::map<std::string, at::Tensor> extra;
};

/// The samples of one step, stacked view by view.
struct Batch {
  std::vector<View> views;
  at::Tensor sample_id;  // int64 [B]
  at::Tensor label;      // int64 [B], -1 where unknown
  std::map<std::string, at::Tensor> extra;

  std::int64_t size() const { return sample_id.size(0); }
};

}  // namespace cairn

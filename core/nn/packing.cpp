#include "cairn/nn/packing.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>

#include "cairn/error.h"

namespace cairn::nn {
namespace {

void check(const Packing::Run& run, std::int64_t batch) {
  if (run.lengths.empty()) return;
  const auto [shortest, longest] = std::minmax_element(run.lengths.begin(), run.lengths.end());
  if (static_cast<std::int64_t>(run.lengths.size()) == batch && *shortest >= 0 && *longest <= run.places) return;
  throw Error(std::to_string(run.lengths.size()) + " lengths of up to " + std::to_string(*longest) + " tokens for " +
                  std::to_string(batch) + " rows of " + std::to_string(run.places),
              "packing", "give every row one length, and no more than there are places");
}

}  // namespace

Packing::Packing(const std::vector<Run>& runs, std::int64_t batch, at::Device device) {
  if (std::all_of(runs.begin(), runs.end(), [](const Run& run) { return run.lengths.empty(); })) return;
  std::int64_t width = 0;
  for (const Run& run : runs) check(run, batch), width += run.places;
  const at::Tensor filled = at::zeros({batch, 1, 1, width}, at::kBool);
  auto* place = filled.mutable_data_ptr<bool>();
  starts_.push_back(0);
  for (std::int64_t row = 0; row < batch; ++row) {
    std::int64_t tokens = 0;
    for (const Run& run : runs) {
      const std::int64_t count = run.lengths.empty() ? run.places : run.lengths[static_cast<std::size_t>(row)];
      std::fill_n(place, count, true);
      place += run.places, tokens += count;
    }
    starts_.push_back(starts_.back() + tokens);
  }
  const at::Tensor places = filled.view(-1).nonzero().view(-1);
  filled_ = filled.to(device, /*non_blocking=*/true);
  places_ = places.to(device, /*non_blocking=*/true);
  rows_ = places.floor_divide(width).to(device, /*non_blocking=*/true);
}

at::Tensor Packing::pack(const at::Tensor& x) const {
  if (!defined()) return x;
  return x.reshape({-1, x.size(-1)}).index_select(0, places_).unsqueeze(0);
}

at::Tensor Packing::unpack(const at::Tensor& x) const {
  if (!defined()) return x;
  const std::int64_t batch = filled_.size(0), places = filled_.size(3), width = x.size(-1);
  return at::zeros({batch * places, width}, x.options())
      .index_copy(0, places_, x.view({-1, width}))
      .view({batch, places, width});
}

at::Tensor Packing::spread(const at::Tensor& x) const {
  return defined() ? x.view(-1).index_select(0, rows_).view({1, -1, 1}) : x;
}

}  // namespace cairn::nn

#include "media/token_rows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

namespace cairn::media {
namespace {

/// Moves a random choice of `count` ids to the front.
void choose(Ids& ids, std::size_t count, Rng& rng) {
  const auto last = static_cast<std::int64_t>(ids.size()) - 1;
  for (std::size_t i = 0; i < count; ++i)
    std::swap(ids[i], ids[static_cast<std::size_t>(rng.integer(static_cast<std::int64_t>(i), last))]);
}

}  // namespace

Ids ids_of(const Mask& mask) {
  Ids ids;
  for (std::size_t i = 0; i < mask.size(); ++i)
    if (mask[i]) ids.push_back(static_cast<std::int64_t>(i));
  return ids;
}

TokenSet stack_rows(std::vector<Ids> rows, std::size_t most, Cut cut, Rng* rng, std::size_t multiple) {
  std::size_t count = rows.front().size();
  for (const Ids& row : rows) count = std::min(count, row.size());
  if (most > 0) count = std::min(count, most);
  if (count > multiple) count -= count % multiple;
  at::Tensor index = at::empty({static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(count)}, at::kLong);
  auto* out = index.mutable_data_ptr<std::int64_t>();
  for (Ids& row : rows) {
    if (cut == Cut::random && row.size() > count) choose(row, count, *rng);
    row.resize(count);
    std::sort(row.begin(), row.end());
    out = std::copy(row.begin(), row.end(), out);
  }
  return {index};
}

TokenSet pack_rows(const std::vector<Ids>& rows) {
  TokenSet set;
  for (const Ids& row : rows) set.lengths.push_back(static_cast<std::int64_t>(row.size()));
  const std::int64_t longest = *std::max_element(set.lengths.begin(), set.lengths.end());
  set.index = at::empty({static_cast<std::int64_t>(rows.size()), longest}, at::kLong);
  auto* out = set.index.mutable_data_ptr<std::int64_t>();
  for (const Ids& row : rows) {
    std::fill(std::copy(row.begin(), row.end(), out), out + longest, row.back());
    out += longest;
  }
  return set;
}

}  // namespace cairn::media

#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <set>

#include "cairn/plan.h"

namespace cairn::test {

/// The token ids of one row of an index [B,K].
inline std::set<std::int64_t> row_of(const at::Tensor& index, std::int64_t row) {
  const auto* ids = index[row].data_ptr<std::int64_t>();
  return {ids, ids + index.size(1)};
}

/// Ids in range, ascending and unique, as many in every row.
inline void require_sound(const at::Tensor& index, std::int64_t batch, std::int64_t tokens) {
  REQUIRE(index.size(0) == batch);
  REQUIRE(index.size(1) > 0);
  REQUIRE(index.min().item<std::int64_t>() >= 0);
  REQUIRE(index.max().item<std::int64_t>() < tokens);
  if (index.size(1) > 1) REQUIRE((index.diff(1, 1) > 0).all().item<bool>());
}

/// Every query asks about tokens that its context does not show.
inline void require_disjoint(const Plan& plan, std::int64_t batch) {
  for (const auto& query : plan.queries)
    for (std::int64_t row = 0; row < batch; ++row) {
      auto both = row_of(plan.contexts.at(static_cast<std::size_t>(query.context)).visible.index, row);
      const std::size_t seen = both.size();
      both.merge(row_of(query.where.index, row));
      REQUIRE(both.size() == seen + static_cast<std::size_t>(query.where.index.size(1)));
    }
}

/// Rows that are whole, where `cut` has the same rows cut to the shortest.
inline void require_packed(const TokenSet& packed, const TokenSet& cut) {
  const auto [shortest, longest] = std::minmax_element(packed.lengths.begin(), packed.lengths.end());
  REQUIRE(static_cast<std::int64_t>(packed.lengths.size()) == cut.index.size(0));
  REQUIRE(*shortest == cut.index.size(1));
  REQUIRE(*longest == packed.index.size(1));
  for (std::int64_t row = 0; row < cut.index.size(0); ++row) {
    const std::int64_t length = packed.lengths[static_cast<std::size_t>(row)];
    const at::Tensor ids = packed.index[row];
    REQUIRE((ids.narrow(0, 0, length).diff() > 0).all().item<bool>());
    REQUIRE((ids.narrow(0, length - 1, packed.index.size(1) - length + 1) == ids[length - 1]).all().item<bool>());
    const auto whole = row_of(packed.index, row), part = row_of(cut.index, row);
    REQUIRE(std::includes(whole.begin(), whole.end(), part.begin(), part.end()));
  }
}

}  // namespace cairn::test

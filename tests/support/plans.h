#pragma once

#include <ATen/ATen.h>

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

}  // namespace cairn::test

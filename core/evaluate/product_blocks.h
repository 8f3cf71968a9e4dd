#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "kernels/split_work.h"

namespace cairn {

/// Rows of a bank whose products are held at a time: few enough to be picked over while they are still in the cache.
constexpr std::int64_t kBankBlock = 2048;

/// Calls add(query, values, rows, first) with the products of every one of `queries` [M,D] with `rows` rows of `bank`
/// [N,D] from `first` on, on several threads. Ends early where a call returns false; true if none did.
template <class Value, class Add>
bool visit_products(const at::Tensor& bank, const at::Tensor& queries, const Add& add) {
  std::atomic<bool> goes_on = true;
  at::Tensor products;
  for (std::int64_t first = 0; first < bank.size(0) && goes_on; first += kBankBlock) {
    const std::int64_t rows = std::min(kBankBlock, bank.size(0) - first);
    if (!products.defined() || products.size(1) != rows) products = at::empty({queries.size(0), rows}, bank.options());
    at::mm_out(products, queries, bank.narrow(0, first, rows).t());
    const auto* values = static_cast<const Value*>(products.const_data_ptr());
    kernels::split_work(queries.size(0), /*grain=*/1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        if (!add(i, values + i * rows, rows, first)) goes_on = false;
    });
  }
  return goes_on;
}

}  // namespace cairn

#include "evaluate/coarse_search.h"

#include <ATen/core/grad_mode.h>

#include "evaluate/product_blocks.h"
#include "kernels/bfloat16_bits.h"

namespace cairn {
namespace {

constexpr std::size_t kStretch = 32;        // products looked at together
constexpr std::size_t kMost = 4096;         // candidates of a query
constexpr double kHalfStep = 1.0 / 512.0;   // of a value: what bfloat16 may round it by
constexpr double kSumming = 1.0 / 16384.0;  // float32 sums of some thousand products

/// The rows that may be among the nearest to one query.
class Candidates {
 public:
  /// Two products that differ by more than `margin` do so before rounding too.
  Candidates(std::size_t count, float margin) : count_(count), margin_(margin) { best_.reserve(count + 1); }

  /// Takes in the products of the rows from `first` on; false where there are too many candidates.
  bool add(const std::uint16_t* products, const float* offsets, std::size_t size, std::int64_t first) {
    for (std::size_t i = 0; i < size; i += kStretch) {
      const std::size_t stretch = std::min(kStretch, size - i);
      if (stretch == kStretch && !any_above(products + i, offsets + i)) continue;
      for (std::size_t k = i; k < i + stretch; ++k)
        consider(kernels::widened(products[k]) + offsets[k], first + static_cast<std::int64_t>(k));
    }
    return found_.size() <= kMost || forget();
  }

  std::vector<std::int64_t> rows() {
    forget();
    std::vector<std::int64_t> out;
    out.reserve(found_.size());
    for (const Found& one : found_) out.push_back(one.row);
    return out;
  }

 private:
  struct Found {
    float product;
    std::int64_t row;
  };

  bool any_above(const std::uint16_t* products, const float* offsets) const {
    int above = 0;
    for (std::size_t k = 0; k < kStretch; ++k)
      above |= static_cast<int>(kernels::widened(products[k]) + offsets[k] >= least_);
    return above != 0;
  }

  void consider(float product, std::int64_t row) {
    if (product < least_) return;
    found_.push_back({product, row});
    if (best_.size() == count_ && product <= best_.back()) return;
    if (best_.size() == count_) best_.pop_back();
    best_.insert(std::upper_bound(best_.begin(), best_.end(), product, std::greater<>()), product);
    if (best_.size() == count_) least_ = best_.back() - margin_;
  }

  /// Drops what has fallen behind; false where too many are left.
  bool forget() {
    std::erase_if(found_, [this](const Found& one) { return one.product < least_; });
    return found_.size() <= kMost / 2;
  }

  std::size_t count_;
  float margin_, least_ = -std::numeric_limits<float>::infinity();
  std::vector<float> best_;  // largest first
  std::vector<Found> found_;
};

at::Tensor lengths(const at::Tensor& rows) { return at::linalg_vector_norm(rows, 2, at::IntArrayRef({1})); }

/// How much a product with the bank may be off, for each of `queries` [M,D] and what rounding makes of them: [M].
at::Tensor errors(const at::Tensor& queries, const at::Tensor& rounded, double length, double error) {
  const at::Tensor wide = rounded.to(at::kFloat);
  const at::Tensor long_ones = lengths(wide);
  return lengths(queries - wide) * (length + error) + long_ones * (error + (kHalfStep + kSumming) * length) + kSumming;
}

}  // namespace

CoarseBank::CoarseBank(const at::Tensor& bank) {
  const at::NoGradGuard no_grad;
  mean_ = bank.mean(0);
  const at::Tensor centred = bank - mean_;
  rounded_ = centred.to(at::kBFloat16);
  offset_ = at::mv(bank, mean_);
  const at::Tensor wide = rounded_.to(at::kFloat);
  length_ = lengths(wide).max().item<double>();
  error_ = lengths(centred - wide).max().item<double>();
}

std::optional<std::vector<std::vector<std::int64_t>>> CoarseBank::candidates(const at::Tensor& queries,
                                                                             std::size_t count) const {
  const at::NoGradGuard no_grad;
  const at::Tensor centred = queries - mean_, rounded = centred.to(at::kBFloat16);
  const at::Tensor error = errors(centred, rounded, length_, error_).mul_(2.0);
  const auto* margin = error.const_data_ptr<float>();
  std::vector<Candidates> found;
  found.reserve(static_cast<std::size_t>(queries.size(0)));
  for (std::int64_t i = 0; i < queries.size(0); ++i) found.emplace_back(count, margin[i]);
  const auto* offsets = offset_.const_data_ptr<float>();
  const auto add = [&](std::int64_t query, const std::uint16_t* values, std::int64_t rows, std::int64_t first) {
    return found[static_cast<std::size_t>(query)].add(values, offsets + first, static_cast<std::size_t>(rows), first);
  };
  if (!visit_products<std::uint16_t>(rounded_, rounded, add)) return std::nullopt;
  std::vector<std::vector<std::int64_t>> out;
  out.reserve(found.size());
  for (Candidates& one : found) out.push_back(one.rows());
  return out;
}

}  // namespace cairn

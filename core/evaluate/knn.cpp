#include "evaluate/knn.h"

#include <ATen/core/grad_mode.h>

#include <array>
#include <numeric>

#include "cairn/error.h"
#include "evaluate/coarse_search.h"
#include "evaluate/metrics.h"
#include "evaluate/product_blocks.h"
#include "kernels/split_work.h"
#include "nn/cpu_product.h"

namespace cairn {
namespace {

constexpr std::int64_t kQueryBlock = 1024;        // of queries looked at together
constexpr std::int64_t kDeviceBlock = 65536;      // of the bank, on a GPU
constexpr std::size_t kStretch = 16;              // cosines looked at together
constexpr std::int64_t kWorthRounding = 1 << 20;  // cosines from which on a look at rounded rows first is faster

struct Neighbour {
  float cosine;
  std::int64_t row;
};

at::Tensor unit_rows(const at::Tensor& x, at::Device device) {
  const at::Tensor values = x.to(device, at::kFloat);
  return values / values.norm(2, 1, true).clamp_min(1e-12);
}

/// The largest cosines seen so far, largest first; the lower row first among equals.
class Nearest {
 public:
  explicit Nearest(std::size_t count) : count_(count) { kept_.reserve(count + 1); }

  /// Takes in the cosines of the rows from `first` on.
  void add(std::span<const float> cosines, std::int64_t first) {
    std::size_t i = 0;
    for (; kept_.size() < count_ && i < cosines.size(); ++i) insert(cosines[i], first + static_cast<std::int64_t>(i));
    for (; i + kStretch <= cosines.size(); i += kStretch) {
      const float least = kept_.back().cosine;
      int larger = 0;
      for (std::size_t k = 0; k < kStretch; ++k) larger |= static_cast<int>(cosines[i + k] > least);
      if (larger != 0) add_some(cosines.subspan(i, kStretch), first + static_cast<std::int64_t>(i));
    }
    add_some(cosines.subspan(i), first + static_cast<std::int64_t>(i));
  }

  const std::vector<Neighbour>& kept() const { return kept_; }

 private:
  void add_some(std::span<const float> cosines, std::int64_t first) {
    for (std::size_t k = 0; k < cosines.size(); ++k) {
      if (cosines[k] <= kept_.back().cosine) continue;
      kept_.pop_back();
      insert(cosines[k], first + static_cast<std::int64_t>(k));
    }
  }

  void insert(float cosine, std::int64_t row) {
    const auto place =
        std::upper_bound(kept_.begin(), kept_.end(), cosine, [](float c, const Neighbour& n) { return c > n.cosine; });
    kept_.insert(place, {cosine, row});
  }

  std::size_t count_;
  std::vector<Neighbour> kept_;
};

/// The nearest rows of `bank` [N,D] to each of `queries` [M,D], both of unit length.
std::vector<Nearest> search(const at::Tensor& bank, const at::Tensor& queries, std::size_t count) {
  std::vector<Nearest> near(static_cast<std::size_t>(queries.size(0)), Nearest(count));
  const auto add = [&near](std::int64_t query, const float* values, std::int64_t rows, std::int64_t first) {
    near[static_cast<std::size_t>(query)].add({values, static_cast<std::size_t>(rows)}, first);
    return true;
  };
  visit_products<float>(bank, queries, add);
  return near;
}

double dot(const float* a, const float* b, std::int64_t size) {
  std::array<float, kStretch> sums = {};
  const auto stretch = static_cast<std::int64_t>(kStretch);
  std::int64_t i = 0;
  for (; i + stretch <= size; i += stretch)
    for (std::int64_t k = 0; k < stretch; ++k) sums[static_cast<std::size_t>(k)] += a[i + k] * b[i + k];
  double sum = std::accumulate(sums.begin(), sums.end(), 0.0);
  for (; i < size; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

/// The same among a few ascending rows of the bank for each query.
std::vector<Nearest> search_among(const at::Tensor& bank, const at::Tensor& queries, std::size_t count,
                                  const std::vector<std::vector<std::int64_t>>& candidates) {
  std::vector<Nearest> near(candidates.size(), Nearest(count));
  const std::int64_t width = bank.size(1);
  const auto* rows = bank.const_data_ptr<float>();
  const auto* asked = queries.const_data_ptr<float>();
  kernels::split_work(queries.size(0), /*grain=*/1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i)
      for (const std::int64_t row : candidates[static_cast<std::size_t>(i)]) {
        const auto cosine = static_cast<float>(dot(asked + i * width, rows + row * width, width));
        near[static_cast<std::size_t>(i)].add({&cosine, 1}, row);
      }
  });
  return near;
}

Neighbours empty_neighbours(std::int64_t rows, std::int64_t count) {
  return {at::empty({rows, count}), at::empty({rows, count}, at::kLong)};
}

/// The nearest rows of `bank` to each of `queries`, by way of the coarse bank as long as it tells rows apart.
std::vector<Nearest> search(const at::Tensor& bank, std::optional<CoarseBank>& coarse, const at::Tensor& queries,
                            std::size_t count) {
  if (coarse) {
    if (const auto candidates = coarse->candidates(queries, count))
      return search_among(bank, queries, count, *candidates);
    coarse.reset();
  }
  return search(bank, queries, count);
}

/// float [M,k]: what each neighbour's vote counts, 1 for the nearest.
at::Tensor weights(const at::Tensor& cosine, double temperature) {
  const at::Tensor wide = cosine.to(at::kDouble);
  if (temperature == 0.0) return at::ones_like(wide);
  return wide.sub(wide.narrow(1, 0, 1)).div_(temperature).exp_();
}

}  // namespace

Neighbours nearest_rows(const at::Tensor& bank, const at::Tensor& x, std::int64_t count, at::Device device) {
  if (!device.is_cpu()) return nearest_rows_by_block(bank, x, count, device);
  const at::NoGradGuard no_grad;
  const at::Tensor all = unit_rows(bank, device), queries = unit_rows(x, device);
  Neighbours out = empty_neighbours(x.size(0), std::min(count, bank.size(0)));
  const std::int64_t width = out.row.size(1);
  auto* cosine = out.cosine.mutable_data_ptr<float>();
  auto* row = out.row.mutable_data_ptr<std::int64_t>();
  std::optional<CoarseBank> coarse;
  if (nn::has_fast_bfloat16() && bank.size(0) * x.size(0) >= kWorthRounding) coarse.emplace(all);
  for (std::int64_t begin = 0; begin < x.size(0); begin += kQueryBlock) {
    const at::Tensor block = queries.narrow(0, begin, std::min(kQueryBlock, x.size(0) - begin));
    for (const Nearest& near : search(all, coarse, block, static_cast<std::size_t>(width)))
      for (const Neighbour& one : near.kept()) {
        *cosine++ = one.cosine;
        *row++ = one.row;
      }
  }
  return out;
}

Neighbours nearest_rows_by_block(const at::Tensor& bank, const at::Tensor& x, std::int64_t count, at::Device device) {
  const at::NoGradGuard no_grad;
  const at::Tensor all = unit_rows(bank, device), queries = unit_rows(x, device);
  const std::int64_t width = std::min(count, bank.size(0));
  std::vector<at::Tensor> cosines, rows;
  for (const at::Tensor& block : queries.split(kQueryBlock)) {
    at::Tensor best, where;
    for (std::int64_t begin = 0; begin < all.size(0); begin += kDeviceBlock) {
      const at::Tensor part = all.narrow(0, begin, std::min(kDeviceBlock, all.size(0) - begin));
      auto [cosine, row] = at::mm(block, part.t()).topk(std::min(width, part.size(0)), 1);
      row.add_(begin);
      best = best.defined() ? at::cat({best, cosine}, 1) : cosine;
      where = where.defined() ? at::cat({where, row}, 1) : row;
      const auto [kept, place] = best.topk(std::min(width, best.size(1)), 1);
      best = kept;
      where = where.gather(1, place);
    }
    cosines.push_back(best.cpu());
    rows.push_back(where.cpu());
  }
  return {at::cat(cosines), at::cat(rows)};
}

at::Tensor knn_votes(const at::Tensor& train_x, const at::Tensor& train_y, const at::Tensor& x, std::int64_t classes,
                     const KnnOptions& options) {
  const at::NoGradGuard no_grad;
  check_features(train_x, train_y, "nearest neighbours, training part");
  check_features(x, at::zeros({x.defined() ? x.size(0) : 0}, at::kLong), "nearest neighbours, test part");
  check_labels(train_y, classes, "nearest neighbours, training part");
  if (options.neighbours < 1 || options.temperature < 0.0)
    throw Error("neighbours must be positive, and the temperature not negative", "nearest neighbours");
  const Neighbours near = nearest_rows(train_x, x, options.neighbours, options.device);
  at::Tensor vote = weights(near.cosine, options.temperature);
  vote.div_(vote.sum(1, true));
  if (train_y.dim() == 1)
    return at::zeros({x.size(0), classes}, at::kDouble)
        .scatter_add_(1, train_y.index_select(0, near.row.flatten()).view_as(near.row), vote);
  const at::Tensor labels = train_y.index_select(0, near.row.flatten()).to(at::kDouble);
  return labels.view({near.row.size(0), near.row.size(1), classes}).mul(vote.unsqueeze(2)).sum(1);
}

at::Tensor knn_classify(const at::Tensor& train_x, const at::Tensor& train_y, const at::Tensor& x, std::int64_t classes,
                        const KnnOptions& options) {
  return knn_votes(train_x, train_y, x, classes, options).argmax(1);
}

double knn_accuracy(const Features& train, const Features& test, std::int64_t classes, const KnnOptions& options) {
  return accuracy(knn_classify(train.x, train.y, test.x, classes, options), test.y);
}

}  // namespace cairn

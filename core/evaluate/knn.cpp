#include "evaluate/knn.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <future>

#include "cairn/error.h"

namespace cairn {
namespace {

// Cosines held at a time: few enough to be picked over while they are still in the cache.
constexpr std::int64_t kQueryBlock = 1024;
constexpr std::int64_t kBankBlock = 2048;

struct Neighbour {
  float cosine;
  std::int64_t row;
};

at::Tensor unit_rows(const at::Tensor& x) {
  const at::Tensor values = x.to(at::kCPU, at::kFloat);
  return values / values.norm(2, 1, true).clamp_min(1e-12);
}

/// Merges the cosines of the rows from `first` on into the `count` largest so far, largest first; the lower row first
/// among equals.
void nearest(std::span<const float> cosines, std::int64_t first, std::size_t count, std::vector<Neighbour>& out) {
  for (std::size_t i = 0; i < cosines.size(); ++i) {
    const float cosine = cosines[i];
    if (out.size() == count) {
      if (cosine <= out.back().cosine) continue;
      out.pop_back();
    }
    const auto place =
        std::upper_bound(out.begin(), out.end(), cosine, [](float c, const Neighbour& n) { return c > n.cosine; });
    out.insert(place, {cosine, first + static_cast<std::int64_t>(i)});
  }
}

std::int64_t vote(std::span<const Neighbour> near, const std::int64_t* labels, std::vector<double>& votes,
                  double temperature) {
  std::fill(votes.begin(), votes.end(), 0.0);
  for (const Neighbour& n : near)
    votes[static_cast<std::size_t>(labels[n.row])] += std::exp((n.cosine - near.front().cosine) / temperature);
  return std::max_element(votes.begin(), votes.end()) - votes.begin();
}

/// Calls work(begin, end) on as many threads as ATen computes with. (at::parallel_for is serial without OpenMP flags.)
template <class Work>
void split_rows(std::int64_t rows, const Work& work) {
  const std::int64_t threads = std::min<std::int64_t>(rows, at::get_num_threads());
  std::vector<std::future<void>> parts;
  for (std::int64_t t = 1; t < threads; ++t)
    parts.push_back(std::async(std::launch::async, work, rows * t / threads, rows * (t + 1) / threads));
  work(0, rows / std::max<std::int64_t>(1, threads));
  for (auto& part : parts) part.get();
}

/// The nearest rows of `bank` [N,D] to each of `queries` [M,D], both of unit length.
std::vector<std::vector<Neighbour>> search(const at::Tensor& bank, const at::Tensor& queries, std::size_t count) {
  std::vector<std::vector<Neighbour>> near(static_cast<std::size_t>(queries.size(0)));
  for (auto& each : near) each.reserve(count + 1);
  at::Tensor cosines = at::empty({queries.size(0), std::min(kBankBlock, bank.size(0))});
  for (std::int64_t begin = 0; begin < bank.size(0); begin += kBankBlock) {
    const std::int64_t rows = std::min(kBankBlock, bank.size(0) - begin);
    if (rows != cosines.size(1)) cosines = at::empty({queries.size(0), rows});
    at::mm_out(cosines, queries, bank.narrow(0, begin, rows).t());
    const auto* values = cosines.const_data_ptr<float>();
    split_rows(queries.size(0), [&near, values, rows, begin, count](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i)
        nearest({values + i * rows, static_cast<std::size_t>(rows)}, begin, count, near[static_cast<std::size_t>(i)]);
    });
  }
  return near;
}

}  // namespace

at::Tensor knn_classify(const at::Tensor& train_x, const at::Tensor& train_y, const at::Tensor& x, std::int64_t classes,
                        const KnnOptions& options) {
  const at::NoGradGuard no_grad;
  check_features(train_x, train_y, "nearest neighbours, training part");
  check_features(x, at::zeros({x.defined() ? x.size(0) : 0}, at::kLong), "nearest neighbours, test part");
  if (train_y.min().item<std::int64_t>() < 0 || train_y.max().item<std::int64_t>() >= classes)
    throw Error("labels must lie in 0 to " + std::to_string(classes - 1), "nearest neighbours, training part");
  if (options.neighbours < 1 || !(options.temperature > 0.0))
    throw Error("neighbours and temperature must be positive", "nearest neighbours");
  const at::Tensor bank = unit_rows(train_x), queries = unit_rows(x), labels = train_y.to(at::kCPU).contiguous();
  const auto count = static_cast<std::size_t>(std::min(options.neighbours, bank.size(0)));
  at::Tensor guess = at::empty({x.size(0)}, at::kLong);
  auto* out = guess.mutable_data_ptr<std::int64_t>();
  const auto* label = labels.const_data_ptr<std::int64_t>();
  for (std::int64_t begin = 0; begin < x.size(0); begin += kQueryBlock) {
    const at::Tensor block = queries.narrow(0, begin, std::min(kQueryBlock, x.size(0) - begin));
    const std::vector<std::vector<Neighbour>> near = search(bank, block, count);
    split_rows(block.size(0), [&, begin](std::int64_t first, std::int64_t last) {
      std::vector<double> votes(static_cast<std::size_t>(classes));
      for (std::int64_t i = first; i < last; ++i)
        out[begin + i] = vote(near[static_cast<std::size_t>(i)], label, votes, options.temperature);
    });
  }
  return guess;
}

double knn_accuracy(const Features& train, const Features& test, std::int64_t classes, const KnnOptions& options) {
  const at::Tensor guess = knn_classify(train.x, train.y, test.x, classes, options);
  return guess.eq(test.y).to(at::kDouble).mean().item<double>();
}

}  // namespace cairn

#include "evaluate/knn.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <future>

#include "cairn/error.h"

namespace cairn {
namespace {

constexpr std::int64_t kBlockValues = std::int64_t{1} << 24;  // cosines held at a time: 64 MiB
constexpr std::int64_t kMostRows = 1024;

struct Neighbour {
  float cosine;
  std::int64_t row;
};

at::Tensor unit_rows(const at::Tensor& x) {
  const at::Tensor values = x.to(at::kCPU, at::kFloat);
  return values / values.norm(2, 1, true).clamp_min(1e-12);
}

/// The `count` largest cosines, largest first; the lower row first among equals.
void nearest(std::span<const float> cosines, std::size_t count, std::vector<Neighbour>& out) {
  out.clear();
  for (std::size_t i = 0; i < cosines.size(); ++i) {
    const float cosine = cosines[i];
    if (out.size() == count) {
      if (cosine <= out.back().cosine) continue;
      out.pop_back();
    }
    const auto place =
        std::upper_bound(out.begin(), out.end(), cosine, [](float c, const Neighbour& n) { return c > n.cosine; });
    out.insert(place, {cosine, static_cast<std::int64_t>(i)});
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
  const at::Tensor bank = unit_rows(train_x).t(), queries = unit_rows(x), labels = train_y.to(at::kCPU).contiguous();
  const std::int64_t rows = bank.size(1);
  const auto count = static_cast<std::size_t>(std::min(options.neighbours, rows));
  const std::int64_t block = std::clamp<std::int64_t>(kBlockValues / rows, 1, kMostRows);
  at::Tensor guess = at::empty({x.size(0)}, at::kLong);
  auto* out = guess.mutable_data_ptr<std::int64_t>();
  const auto* label = labels.const_data_ptr<std::int64_t>();
  for (std::int64_t begin = 0; begin < x.size(0); begin += block) {
    const std::int64_t size = std::min(block, x.size(0) - begin);
    const at::Tensor cosines = at::mm(queries.narrow(0, begin, size), bank).contiguous();
    const auto* values = cosines.const_data_ptr<float>();
    split_rows(size, [=, &options](std::int64_t first, std::int64_t last) {
      std::vector<Neighbour> near;
      near.reserve(count + 1);
      std::vector<double> votes(static_cast<std::size_t>(classes));
      for (std::int64_t i = first; i < last; ++i) {
        nearest({values + i * rows, static_cast<std::size_t>(rows)}, count, near);
        out[begin + i] = vote(near, label, votes, options.temperature);
      }
    });
  }
  return guess;
}

double knn_accuracy(const Features& train, const Features& test, std::int64_t classes, const KnnOptions& options) {
  const at::Tensor guess = knn_classify(train.x, train.y, test.x, classes, options);
  return guess.eq(test.y).to(at::kDouble).mean().item<double>();
}

}  // namespace cairn

#include "evaluate/folds.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>

#include "cairn/rng.h"

namespace cairn {
namespace {

constexpr std::uint64_t kFolds = 7;  // of Stream::probe

}  // namespace

Features join(const Features& first, const Features& second) {
  Features all = {at::cat({first.x, second.x}), at::cat({first.y, second.y}), first.index,
                  first.unreadable + second.unreadable};
  const std::int64_t behind = first.index.empty() ? 0 : *std::max_element(first.index.begin(), first.index.end()) + 1;
  for (const std::int64_t index : second.index) all.index.push_back(behind + index);
  return all;
}

std::vector<std::int64_t> draw_folds(const Features& features, std::int64_t folds, std::uint64_t seed) {
  std::map<std::int64_t, std::int64_t> label_of;  // each sample's first; all the same where labels are not classes
  for (std::int64_t row = 0; row < features.size(); ++row)
    label_of.emplace(features.index[static_cast<std::size_t>(row)],
                     features.y.dim() == 1 ? features.y[row].item<std::int64_t>() : 0);
  std::map<std::int64_t, std::vector<std::int64_t>> samples_of;
  for (const auto& [sample, label] : label_of) samples_of[label].push_back(sample);
  std::map<std::int64_t, std::int64_t> fold_of;
  std::int64_t next = 0;
  for (const auto& [label, samples] : samples_of) {
    const auto count = static_cast<std::int64_t>(samples.size());
    for (const std::int64_t i : Rng(seed, Stream::probe, kFolds, static_cast<std::uint64_t>(label)).permutation(count))
      fold_of[samples[static_cast<std::size_t>(i)]] = next++ % folds;
  }
  std::vector<std::int64_t> out;
  for (const std::int64_t sample : features.index) out.push_back(fold_of.at(sample));
  return out;
}

}  // namespace cairn

#include "evaluate/metrics.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "cairn/error.h"

namespace cairn {
namespace {

std::vector<double> values_of(const at::Tensor& x) {
  const at::Tensor values = x.to(at::kCPU, at::kDouble).contiguous();
  const auto* first = values.const_data_ptr<double>();
  return {first, first + values.numel()};
}

std::vector<double> column_means(const at::Tensor& x) { return values_of(x.to(at::kDouble).mean(0)); }

/// Rows in the order of falling scores.
std::vector<std::size_t> ranking(const std::vector<double>& scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  return order;
}

void check_pair(const at::Tensor& a, const at::Tensor& b, const char* what) {
  if (!a.defined() || a.sizes() != b.sizes() || a.numel() == 0)
    throw Error("there must be one answer for each thing that is true", what);
}

/// Area under precision over recall of hits in the order of falling scores, precision made monotone from the right.
double area_under(const std::vector<bool>& hits, std::int64_t wanted) {
  std::vector<double> precision, recall;
  double right = 0.0;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    right += hits[i] ? 1.0 : 0.0;
    precision.push_back(right / static_cast<double>(i + 1));
    recall.push_back(right / static_cast<double>(wanted));
  }
  for (std::size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  double area = 0.0;
  for (std::size_t i = 0; i < precision.size(); ++i) area += precision[i] * (recall[i] - (i > 0 ? recall[i - 1] : 0.0));
  return area;
}

/// Boxes of each frame by number.
using Frames = std::map<std::int64_t, std::vector<std::size_t>>;

Frames by_frame(const std::vector<FrameBox>& boxes) {
  Frames frames;
  for (std::size_t i = 0; i < boxes.size(); ++i) frames[boxes[i].frame].push_back(i);
  return frames;
}

/// The true box of the class that overlaps `box` most, if it does so by `threshold`.
std::optional<std::size_t> best_match(const FrameBox& box, const std::vector<FrameBox>& true_boxes,
                                      const Frames& frames, const std::vector<double>& wanted, double threshold) {
  std::optional<std::size_t> best;
  const auto here = frames.find(box.frame);
  if (here == frames.end()) return best;
  double most = 0.0;
  for (const std::size_t candidate : here->second) {
    const double share = wanted[candidate] > 0.0 ? overlap(box, true_boxes[candidate]) : 0.0;
    if (share < threshold || share <= most) continue;
    most = share;
    best = candidate;
  }
  return best;
}

}  // namespace

double accuracy(const at::Tensor& guess, const at::Tensor& truth) {
  return guess.eq(truth).to(at::kDouble).mean().item<double>();
}

at::Tensor confusion(const at::Tensor& guess, const at::Tensor& truth, std::int64_t classes) {
  return at::bincount(truth * classes + guess, {}, classes * classes).view({classes, classes});
}

double average_precision(const at::Tensor& scores, const at::Tensor& truth) {
  check_pair(scores, truth, "average precision");
  const std::vector<double> s = values_of(scores), t = values_of(truth);
  const double wanted = std::accumulate(t.begin(), t.end(), 0.0);
  if (!(wanted > 0.0)) return 0.0;
  const std::vector<std::size_t> order = ranking(s);
  double right = 0.0, before = 0.0, sum = 0.0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    right += t[order[i]];
    if (i + 1 < order.size() && s[order[i + 1]] == s[order[i]]) continue;
    sum += (right - before) * right / static_cast<double>(i + 1);
    before = right;
  }
  return sum / wanted;
}

double mean_average_precision(const at::Tensor& scores, const at::Tensor& truth) {
  check_pair(scores, truth, "mean average precision");
  double sum = 0.0;
  std::int64_t columns = 0;
  for (std::int64_t c = 0; c < truth.size(1); ++c) {
    if (!truth.select(1, c).gt(0).any().item<bool>()) continue;
    sum += average_precision(scores.select(1, c), truth.select(1, c));
    ++columns;
  }
  return columns > 0 ? sum / static_cast<double>(columns) : 0.0;
}

std::vector<double> explained_variance(const at::Tensor& predictions, const at::Tensor& truth) {
  check_pair(predictions, truth, "explained variance");
  const at::Tensor t = truth.to(at::kDouble);
  std::vector<double> rest = column_means((predictions.to(at::kDouble) - t).square());
  const std::vector<double> spread = column_means((t - t.mean(0)).square());
  for (std::size_t k = 0; k < rest.size(); ++k) rest[k] = spread[k] > 0.0 ? 1.0 - rest[k] / spread[k] : 0.0;
  return rest;
}

std::vector<double> absolute_error(const at::Tensor& predictions, const at::Tensor& truth) {
  check_pair(predictions, truth, "absolute error");
  return column_means((predictions.to(at::kDouble) - truth.to(at::kDouble)).abs());
}

double overlap(const FrameBox& a, const FrameBox& b) {
  if (a.frame != b.frame) return 0.0;
  const auto area = [](const std::array<double, 4>& e) {
    return std::max(0.0, e[2] - e[0]) * std::max(0.0, e[3] - e[1]);
  };
  const std::array<double, 4> both = {std::max(a.edges[0], b.edges[0]), std::max(a.edges[1], b.edges[1]),
                                      std::min(a.edges[2], b.edges[2]), std::min(a.edges[3], b.edges[3])};
  const double shared = area(both), all = area(a.edges) + area(b.edges) - shared;
  return all > 0.0 ? shared / all : 0.0;
}

double frame_map(const std::vector<FrameBox>& boxes, const at::Tensor& scores, const std::vector<FrameBox>& true_boxes,
                 const at::Tensor& truth, double threshold) {
  if (static_cast<std::int64_t>(boxes.size()) != scores.size(0) ||
      static_cast<std::int64_t>(true_boxes.size()) != truth.size(0) || scores.size(1) != truth.size(1))
    throw Error("there must be a row of scores or labels for each box", "frame mAP");
  const auto frames = by_frame(true_boxes);
  double sum = 0.0;
  std::int64_t classes = 0;
  for (std::int64_t c = 0; c < truth.size(1); ++c) {
    const std::vector<double> wanted = values_of(truth.select(1, c));
    const auto count = std::count_if(wanted.begin(), wanted.end(), [](double v) { return v > 0.0; });
    if (count == 0) continue;
    std::vector<bool> taken(true_boxes.size()), hits;
    for (const std::size_t i : ranking(values_of(scores.select(1, c)))) {
      const auto best = best_match(boxes[i], true_boxes, frames, wanted, threshold);
      hits.push_back(best && !taken[*best]);
      if (best) taken[*best] = true;
    }
    sum += area_under(hits, count);
    ++classes;
  }
  return classes > 0 ? sum / static_cast<double>(classes) : 0.0;
}

}  // namespace cairn

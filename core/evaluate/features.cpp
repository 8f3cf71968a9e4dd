#include "evaluate/features.h"

#include <ATen/core/grad_mode.h>

#include <deque>
#include <future>
#include <map>
#include <numeric>

#include "cairn/error.h"
#include "kernels/split_work.h"

namespace cairn {
namespace {

/// What the probe stream's epochs stand for.
enum ProbeDraw : std::uint64_t { kLoad = 1, kPrepare = 2, kLowShot = 5, kChoose = 16 };

/// A stream epoch of its own for each round of each purpose; plain evaluation is round 0.
std::uint64_t epoch_of(ProbeDraw draw, const SampleDraw& how) {
  const std::uint64_t rounds = how.purpose == Purpose::evaluate ? how.round : how.round + 1;
  return draw + 256 * rounds;
}

std::int64_t bytes_of(const Batch& batch) {
  std::int64_t total = 0;
  for (const View& view : batch.views) total += static_cast<std::int64_t>(view.data.nbytes());
  for (const auto& [name, tensor] : batch.extra) total += static_cast<std::int64_t>(tensor.nbytes());
  return total;
}

/// A copy on the device that prepare() may change in place without spoiling the cached batch.
Batch copy_to(const Batch& batch, at::Device device) {
  Batch copy = batch;
  for (View& view : copy.views) view.data = view.data.to(device, view.data.scalar_type(), false, true);
  for (auto& [name, tensor] : copy.extra) tensor = tensor.to(device, tensor.scalar_type(), false, true);
  return copy;
}

at::Tensor embed_checked(const Embed& embed, const Batch& batch, std::size_t view) {
  at::Tensor features = embed(batch.views.at(view));
  if (!features.defined() || features.dim() != 2 || features.size(0) != batch.size())
    throw Error("an embedding must give one feature vector a sample, [B,D]", "evaluation");
  return features.to(at::kCPU, at::kFloat);
}

std::vector<std::int64_t> pooled_extent(at::IntArrayRef sizes, std::int64_t width) {
  const double channels = static_cast<double>(sizes[1]);
  std::vector<std::int64_t> extent(sizes.begin() + 2, sizes.end());
  double volume = channels;
  for (const std::int64_t n : extent) volume *= static_cast<double>(n);
  const double factor = std::pow(static_cast<double>(width) / volume, 1.0 / static_cast<double>(extent.size()));
  for (std::int64_t& n : extent)
    n = std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(n) * factor + 1e-6));
  const auto product = [&] { return std::accumulate(extent.begin(), extent.end(), sizes[1], std::multiplies<>()); };
  while (product() > width) {
    auto largest = std::max_element(extent.begin(), extent.end());
    if (*largest == 1) break;
    --*largest;
  }
  return extent;
}

using RowsOfClasses = std::map<std::int64_t, std::vector<std::int64_t>>;

/// The rows of each class; of labels that are not classes all are of one.
RowsOfClasses rows_of_classes(const Features& features) {
  RowsOfClasses classes;
  const at::Tensor labels = features.y.dim() == 1 ? features.y.contiguous() : at::zeros({features.size()}, at::kLong);
  for (std::int64_t row = 0; row < features.size(); ++row)
    classes[labels.const_data_ptr<std::int64_t>()[row]].push_back(row);
  return classes;
}

at::Tensor pool_to(at::Tensor data, std::int64_t width) {
  if (data.dim() < 3 || data.dim() > 5) data = data.reshape({data.size(0), data.size(1), -1});
  return average_to(data, pooled_extent(data.sizes(), width));
}

}  // namespace

std::vector<std::int64_t> choose_samples(std::int64_t size, std::int64_t most, std::uint64_t seed, std::uint64_t part) {
  std::vector<std::int64_t> chosen = Rng(seed, Stream::probe, kChoose, part).permutation(size);
  chosen.resize(static_cast<std::size_t>(std::min(size, most)));
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

SampleReader::SampleReader(const Modality& modality, const SampleSource& source, std::vector<std::int64_t> indices,
                           std::int64_t batch_size, std::uint64_t seed, std::int64_t cache_bytes, SampleDraw draw)
    : modality_(modality),
      source_(source),
      indices_(std::move(indices)),
      batch_size_(static_cast<std::size_t>(std::max<std::int64_t>(1, batch_size))),
      seed_(seed),
      cache_bytes_(cache_bytes),
      draw_(draw),
      cache_((indices_.size() + batch_size_ - 1) / batch_size_) {}

SampleReader::Loaded SampleReader::load(std::size_t part) const {
  Loaded loaded;
  std::vector<Sample> samples;
  const std::size_t end = std::min(indices_.size(), (part + 1) * batch_size_);
  for (std::size_t i = part * batch_size_; i < end; ++i) {
    Rng rng(seed_, Stream::probe, epoch_of(kLoad, draw_), static_cast<std::uint64_t>(indices_[i]));
    try {
      samples.push_back(source_.load(indices_[i], rng));
      loaded.index.push_back(indices_[i]);
    } catch (const DataError& error) {
      loaded.bad.push_back({indices_[i], source_.name(indices_[i]), error.what()});
    }
  }
  if (!samples.empty()) loaded.batch = modality_.collate(samples, draw_.purpose);
  return loaded;
}

void SampleReader::keep(std::size_t part, const Loaded& loaded) {
  const std::int64_t bytes = loaded.batch ? bytes_of(*loaded.batch) : 0;
  if (cache_[part] || cached_bytes_ + bytes > cache_bytes_) return;
  cache_[part] = loaded;
  cached_bytes_ += bytes;
}

std::int64_t SampleReader::visit(at::Device device, std::int64_t workers,
                                 const std::function<void(const Batch&, std::span<const std::int64_t>)>& visit) {
  bad_.clear();
  std::deque<std::future<Loaded>> ahead;
  std::size_t asked = 0;
  const auto window = static_cast<std::size_t>(std::max<std::int64_t>(1, workers));
  for (std::size_t part = 0; part < cache_.size(); ++part) {
    for (; asked < cache_.size() && ahead.size() < window; ++asked)
      if (!cache_[asked])
        ahead.push_back(std::async(std::launch::async, [this, asked] {
          kernels::work_alone();  // as the loader's threads
          return load(asked);
        }));
    Loaded loaded;
    if (cache_[part]) {
      loaded = *cache_[part];
    } else {
      loaded = ahead.front().get();
      ahead.pop_front();
    }
    bad_.insert(bad_.end(), loaded.bad.begin(), loaded.bad.end());
    if (loaded.batch) {
      Batch batch = copy_to(*loaded.batch, device);
      Rng rng(seed_, Stream::probe, epoch_of(kPrepare, draw_), part);
      modality_.prepare(batch, draw_.purpose, rng);
      visit(batch, loaded.index);
    }
    keep(part, loaded);
  }
  return static_cast<std::int64_t>(bad_.size());
}

Features SampleReader::collect(const Embed& embed, at::Device device, std::int64_t workers, const ReadLabels& labels) {
  const at::NoGradGuard no_grad;
  Features out;
  std::vector<at::Tensor> rows, found;
  out.unreadable = visit(device, workers, [&](const Batch& batch, std::span<const std::int64_t> index) {
    rows.push_back(embed_checked(embed, batch, draw_.view));
    found.push_back(labels ? labels(batch, index) : batch.label.to(at::kCPU));
    out.index.insert(out.index.end(), index.begin(), index.end());
  });
  if (rows.empty()) return out;
  out.x = at::cat(rows);
  out.y = at::cat(found);
  return out;
}

Features collect_features(const Modality& modality, const SampleSource& source, std::span<const std::int64_t> indices,
                          const Embed& embed, const FeatureOptions& options) {
  SampleReader reader(modality, source, {indices.begin(), indices.end()}, options.batch_size, options.seed);
  return reader.collect(embed, options.device, options.workers);
}

at::Tensor average_to(const at::Tensor& data, const std::vector<std::int64_t>& extent) {
  if (extent.size() == 1) return at::adaptive_avg_pool1d(data, extent);
  if (extent.size() == 2) return at::adaptive_avg_pool2d(data, extent);
  return at::adaptive_avg_pool3d(data, extent);
}

Embed raw_input(std::int64_t width) {
  return [width](const View& view) {
    at::Tensor data = view.data.to(at::kFloat);
    if (data.numel() > width * data.size(0)) data = pool_to(data, width);
    return data.flatten(1);
  };
}

Features select_rows(const Features& features, std::span<const std::int64_t> rows) {
  const at::Tensor index = at::tensor(at::ArrayRef<std::int64_t>(rows.data(), rows.size()), at::kLong);
  Features out{features.x.index_select(0, index), features.y.index_select(0, index), {}, features.unreadable};
  for (const std::int64_t row : rows) out.index.push_back(features.index.at(static_cast<std::size_t>(row)));
  return out;
}

at::Tensor known_rows(const at::Tensor& labels) {
  const at::Tensor known = labels.dim() == 1 ? labels.ge(0) : at::isfinite(labels).all(1);
  return known.nonzero().flatten().contiguous();
}

Features labelled(const Features& features) {
  if (features.size() == 0) return features;
  const at::Tensor rows = known_rows(features.y);
  return select_rows(features, {rows.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(rows.numel())});
}

std::int64_t close_gaps(Features& train, Features& test, std::int64_t classes) {
  if (train.y.dim() != 1 || classes <= train.size() + test.size()) return classes;
  check_labels(train.y, classes, "probe, training part");
  check_labels(test.y, classes, "probe, test part");
  const auto [found, number] = at::_unique(at::cat({train.y, test.y}), /*sorted=*/true, /*return_inverse=*/true);
  train.y = number.narrow(0, 0, train.size());
  test.y = number.narrow(0, train.size(), test.size());
  return found.numel();
}

std::int64_t short_classes(const Features& features, double amount) {
  const RowsOfClasses classes = rows_of_classes(features);
  return std::count_if(classes.begin(), classes.end(),
                       [&](const auto& each) { return static_cast<double>(each.second.size()) < amount; });
}

Features low_shot(const Features& features, double amount, std::uint64_t seed) {
  std::vector<std::int64_t> chosen;
  for (const auto& [label, rows] : rows_of_classes(features)) {
    const auto size = static_cast<std::int64_t>(rows.size());
    const double wanted = amount >= 1.0 ? amount : amount * static_cast<double>(size);
    const std::int64_t count = std::llround(std::clamp(wanted, 1.0, static_cast<double>(size)));
    const auto order = Rng(seed, Stream::probe, kLowShot, static_cast<std::uint64_t>(label)).permutation(size);
    for (std::int64_t i = 0; i < count; ++i)
      chosen.push_back(rows[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])]);
  }
  std::sort(chosen.begin(), chosen.end());
  return select_rows(features, chosen);
}

void check_features(const at::Tensor& x, const at::Tensor& y, const std::string& what) {
  if (!x.defined() || x.dim() != 2 || x.numel() == 0)
    throw Error("there are no features to probe", what, "check that the data set has readable samples");
  if (!y.defined() || y.dim() < 1 || y.dim() > 2 || y.size(0) != x.size(0))
    throw Error("there must be one label for each of the " + std::to_string(x.size(0)) + " feature vectors", what);
  if (!at::isfinite(x).all().item<bool>())
    throw Error("the features hold NaN or infinite values", what,
                "training has probably diverged: lower optim.lr, or set optim.clip");
}

void check_labels(const at::Tensor& y, std::int64_t classes, const std::string& what) {
  if (y.dim() == 2 ? y.size(1) == classes : y.min().item<std::int64_t>() >= 0 && y.max().item<std::int64_t>() < classes)
    return;
  throw Error("labels must lie in 0 to " + std::to_string(classes - 1), what);
}

}  // namespace cairn

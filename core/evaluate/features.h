#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "cairn/modality.h"
#include "data/quarantine.h"

namespace cairn {

/// Turns a prepared view into features [B,D].
using Embed = std::function<at::Tensor(const View&)>;

/// Labels of the samples of a batch, whose places in their source are `index`: int64 [B], -1 where unknown, or float
/// [B,C], NaN where unknown.
using ReadLabels = std::function<at::Tensor(const Batch& batch, std::span<const std::int64_t> index)>;

/// Frozen features of some samples, in the order they were asked for, without the unreadable ones.
struct Features {
  at::Tensor x;                     // float [N,D] on the CPU
  at::Tensor y;                     // int64 [N], -1 where there is no label; or float [N,C], NaN where there is none
  std::vector<std::int64_t> index;  // of each row in its source
  std::int64_t unreadable = 0;      // samples skipped because they could not be read

  std::int64_t size() const { return x.defined() ? x.size(0) : 0; }
};

/// How samples are read and embedded.
struct FeatureOptions {
  std::int64_t batch_size = 64;
  std::int64_t workers = 2;
  at::Device device = at::kCPU;
  std::uint64_t seed = 0;
};

/// What samples are read for, which of several draws of the same samples this is, and which view of each counts.
struct SampleDraw {
  Purpose purpose = Purpose::evaluate;
  std::uint64_t round = 0;
  std::size_t view = 0;
};

/// A random subset of at most `most` out of 0 .. size-1, ascending; the same for the same seed and `part`.
/// A source tells no labels before it loads, so classes are balanced only as a random draw balances them.
CAIRN_API std::vector<std::int64_t> choose_samples(std::int64_t size, std::int64_t most, std::uint64_t seed,
                                                   std::uint64_t part);

/// Chosen samples of one source, read by worker threads batch by batch in a fixed order. Batches as loaded (before
/// Modality::prepare) are kept in memory up to `cache_bytes`, so that the next pass need not decode them again.
/// Borrows the modality and the source.
class CAIRN_API SampleReader {
 public:
  SampleReader(const Modality& modality, const SampleSource& source, std::vector<std::int64_t> indices,
               std::int64_t batch_size, std::uint64_t seed, std::int64_t cache_bytes = 0, SampleDraw draw = {});

  std::int64_t size() const { return static_cast<std::int64_t>(indices_.size()); }
  std::int64_t cached_bytes() const { return cached_bytes_; }
  /// The samples that the last visit() could not read.
  const std::vector<BadSample>& bad() const { return bad_; }
  /// Calls `visit` with every batch in order, prepared on the device, and the source's index of each of its rows.
  /// Returns how many samples could not be read.
  std::int64_t visit(at::Device device, std::int64_t workers,
                     const std::function<void(const Batch&, std::span<const std::int64_t>)>& visit);
  /// Features of every readable sample, computed without gradient, with Batch::label or what `labels` reads instead.
  /// Error if the embedding is not [B,D].
  Features collect(const Embed& embed, at::Device device, std::int64_t workers, const ReadLabels& labels = {});

 private:
  struct Loaded {
    std::optional<Batch> batch;  // none when every sample of the part was unreadable
    std::vector<std::int64_t> index;
    std::vector<BadSample> bad;
  };

  Loaded load(std::size_t part) const;
  void keep(std::size_t part, const Loaded& loaded);

  const Modality& modality_;
  const SampleSource& source_;
  std::vector<std::int64_t> indices_;
  std::size_t batch_size_;
  std::uint64_t seed_;
  std::int64_t cache_bytes_;
  SampleDraw draw_;
  std::int64_t cached_bytes_ = 0;
  std::vector<std::optional<Loaded>> cache_;
  std::vector<BadSample> bad_;
};

/// Features of `indices` of a source in one pass, nothing kept.
CAIRN_API Features collect_features(const Modality& modality, const SampleSource& source,
                                    std::span<const std::int64_t> indices, const Embed& embed,
                                    const FeatureOptions& options);

/// The floor of every probe: the prepared input itself, flattened to [B,C*...]. Inputs of more than `width` values are
/// averaged down along all axes alike (adaptive average pooling) until they fit.
CAIRN_API Embed raw_input(std::int64_t width = 3072);

/// Data [B,C,...] averaged (adaptive average pooling) to `extent` along its one to three axes behind C.
CAIRN_API at::Tensor average_to(const at::Tensor& data, const std::vector<std::int64_t>& extent);

/// Numbers of the rows of labels, int64 [N] or float [N,C], that are known.
CAIRN_API at::Tensor known_rows(const at::Tensor& labels);

/// The rows that carry a label.
CAIRN_API Features labelled(const Features& features);

/// These rows, in this order.
CAIRN_API Features select_rows(const Features& features, std::span<const std::int64_t> rows);

/// Numbers the classes that rows have anew, from 0 in their order, where there are fewer rows than `classes`, so that
/// no table of rows x classes is mostly of classes without a row. Returns how many classes are numbered then. Error for
/// labels that are not below `classes`.
CAIRN_API std::int64_t close_gaps(Features& train, Features& test, std::int64_t classes);

/// How many classes have fewer rows than `amount`. Labels that are not classes count as one class.
CAIRN_API std::int64_t short_classes(const Features& features, double amount);

/// A few rows of each class, drawn by `seed`: `amount` of 1 or more is a number a class, less a share of each class
/// (at least one row). Rows ascend. Labels that are not classes count as one class.
CAIRN_API Features low_shot(const Features& features, double amount, std::uint64_t seed);

/// Error, naming `what`, unless there are rows, one label a row, and only finite values.
CAIRN_API void check_features(const at::Tensor& x, const at::Tensor& y, const std::string& what);

/// Error, naming `what`, unless labels int64 [N] lie in 0 to `classes` - 1, or labels float [N,C] have a column a
/// class.
CAIRN_API void check_labels(const at::Tensor& y, std::int64_t classes, const std::string& what);

}  // namespace cairn

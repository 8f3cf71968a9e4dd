#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "cairn/modality.h"
#include "config/settings.h"
#include "evaluate/features.h"

namespace cairn {

/// What the probes say of one embedding. Accuracies are shares of the test samples.
struct ProbeResult {
  double linear = 0.0;
  double knn = 0.0;
  double c = 0.0;  // the linear probe's regularisation
  std::int64_t train = 0;
  std::int64_t test = 0;
  std::int64_t classes = 0;
  std::int64_t width = 0;       // of the features
  std::int64_t unreadable = 0;  // samples skipped, both parts
  double feature_std = 0.0;     // of the test features, as the three below
  double effective_rank = 0.0;
  double rankme = 0.0;
  double alpha_req = 0.0;
  double lidar = 0.0;  // of augmented training views; NaN where it was not measured
  double seconds = 0.0;
  std::int64_t tested_classes = 0;  // classes that the test samples have
  at::Tensor confusion;             // as in LinearProbeResult
};

/// Spread of features, for which no labels are needed.
struct HealthResult {
  double feature_std = 0.0;
  double effective_rank = 0.0;
  double rankme = 0.0;
  std::int64_t samples = 0;
};

/// The data the probes of a run use: opened once, the samples chosen once, decoded batches kept in memory up to a
/// budget. Borrows the modality.
class CAIRN_API ProbeData {
 public:
  static constexpr std::int64_t kCacheBytes = std::int64_t{512} << 20;

  /// Where more than `max_bad_share` of the samples of a part cannot be read there is nothing to probe.
  ProbeData(const Modality& modality, const EvaluateSettings& settings, std::uint64_t seed, std::int64_t workers,
            double max_bad_share = 1.0, std::int64_t cache_bytes = kCacheBytes);

  /// Why there is nothing to probe ("the data has no test part"); empty when there is.
  const std::string& reason() const { return reason_; }
  /// The samples that the last probe() could not read.
  const std::vector<BadSample>& unreadable() const { return unreadable_; }
  /// Class names of the data; empty without labels.
  std::vector<std::string> classes() const;

  /// Probes `embed` with the online or the final number of samples; nullopt, with reason() set, where the data carry no
  /// labels, have no test part, or fewer than two classes. Error where features are not finite.
  std::optional<ProbeResult> probe(const Embed& embed, bool is_final, at::Device device);

  /// Spread of the features of the test part, else of the training part; nullopt where fewer than two can be read.
  std::optional<HealthResult> health(const Embed& embed, at::Device device);

 private:
  /// One part of the data with the samples chosen from it, for online probes and for the last one.
  struct Part {
    std::unique_ptr<SampleSource> source;
    std::unique_ptr<SampleReader> online;
    std::unique_ptr<SampleReader> last;  // none where it would be the same as `online`

    SampleReader& reader(bool is_final) const { return is_final && last ? *last : *online; }
  };

  /// Features of the labelled samples of a part; what cannot be read is noted in unreadable_, too much of it in
  /// reason_.
  Features features(const Part& part, const Embed& embed, bool is_final, at::Device device);
  /// LiDAR of evaluate.lidar_views augmented views of evaluate.lidar_samples training samples; NaN without them.
  double measure_lidar(const Embed& embed, at::Device device) const;
  Part open(Split split, std::int64_t online, std::int64_t last, std::int64_t cache_bytes) const;

  const Modality& modality_;
  EvaluateSettings settings_;
  std::uint64_t seed_;
  std::int64_t workers_;
  double max_bad_share_;
  Part train_, test_;
  std::vector<BadSample> unreadable_;
  std::int64_t classes_ = 0;
  std::string reason_;
};

}  // namespace cairn

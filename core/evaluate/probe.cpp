#include "evaluate/probe.h"

#include <ATen/ATen.h>

#include <chrono>
#include <limits>

#include "cairn/error.h"
#include "evaluate/health.h"
#include "evaluate/knn.h"
#include "evaluate/linear_probe.h"

namespace cairn {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

}  // namespace

ProbeData::ProbeData(const Modality& modality, const EvaluateSettings& settings, std::uint64_t seed,
                     std::int64_t workers, double max_bad_share, std::int64_t cache_bytes)
    : modality_(modality), settings_(settings), seed_(seed), workers_(workers), max_bad_share_(max_bad_share) {
  train_ = open(Split::train, settings.train_samples, settings.final_train_samples, cache_bytes);
  test_ = open(Split::test, settings.test_samples, settings.final_test_samples, cache_bytes);
  if (!train_.source) {
    reason_ = "the data has no training part to probe with";
    return;
  }
  classes_ = static_cast<std::int64_t>(train_.source->classes().size());
  if (classes_ == 0) {
    reason_ = "the data carries no labels";
  } else if (!test_.source) {
    reason_ = "the data has no test part";
  } else if (classes_ < 2) {
    reason_ = "the data has a single class";
  }
}

std::vector<std::string> ProbeData::classes() const {
  return train_.source ? train_.source->classes() : std::vector<std::string>();
}

ProbeData::Part ProbeData::open(Split split, std::int64_t online, std::int64_t last, std::int64_t cache_bytes) const {
  Part part;
  part.source = modality_.open(split, Purpose::evaluate);
  if (!part.source) return part;
  const auto reader = [&](std::int64_t most) {
    auto chosen = choose_samples(part.source->size(), most, seed_, static_cast<std::uint64_t>(split));
    return std::make_unique<SampleReader>(modality_, *part.source, std::move(chosen), settings_.batch_size, seed_,
                                          cache_bytes / 4);
  };
  part.online = reader(online);
  if (std::min(last, part.source->size()) != part.online->size()) part.last = reader(last);
  return part;
}

Features ProbeData::features(const Part& part, const Embed& embed, bool is_final, at::Device device) {
  SampleReader& reader = part.reader(is_final);
  Features found = labelled(reader.collect(embed, device, workers_));
  const std::vector<BadSample>& bad = reader.bad();
  unreadable_.insert(unreadable_.end(), bad.begin(), bad.end());
  if (is_too_many(std::ssize(bad), reader.size(), max_bad_share_))
    reason_ = too_many_bad(std::ssize(bad), reader.size(), max_bad_share_, bad.back()).message();
  return found;
}

std::optional<ProbeResult> ProbeData::probe(const Embed& embed, bool is_final, at::Device device) {
  if (!reason_.empty()) return std::nullopt;
  const auto start = std::chrono::steady_clock::now();
  unreadable_.clear();
  Features train = features(train_, embed, is_final, device);
  Features test = features(test_, embed, is_final, device);
  if (!reason_.empty()) return std::nullopt;
  if (train.size() == 0 || test.size() == 0) {
    reason_ = "no labelled sample could be read";
    return std::nullopt;
  }
  check_features(train.x, train.y, "probe, training part");
  check_features(test.x, test.y, "probe, test part");
  if (train.y.min().equal(train.y.max())) {
    reason_ = "the samples the probe learns from are all of one class";
    return std::nullopt;
  }
  ProbeResult result;
  const std::int64_t classes = close_gaps(train, test, classes_);
  const LinearProbeResult linear = linear_probe(train, test, classes, {.seed = seed_});
  result.linear = linear.accuracy;
  result.c = linear.c;
  if (classes == classes_) result.confusion = linear.confusion;
  result.knn = knn_accuracy(train, test, classes, {.neighbours = settings_.neighbours, .device = device});
  result.train = train.size();
  result.test = test.size();
  result.classes = classes_;
  result.tested_classes = std::get<0>(at::_unique(test.y)).numel();
  result.width = train.x.size(1);
  result.unreadable = train.unreadable + test.unreadable;
  if (test.size() > 1) {
    result.feature_std = feature_std(test.x);
    result.effective_rank = effective_rank(test.x);
    result.rankme = rankme(test.x);
    result.alpha_req = alpha_req(test.x);
  }
  result.lidar = measure_lidar(embed, device);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

double ProbeData::measure_lidar(const Embed& embed, at::Device device) const {
  if (settings_.lidar_samples < 2 || settings_.lidar_views < 2) return kUnknown;
  const auto source = modality_.open(Split::train, Purpose::pretrain);
  if (!source) return kUnknown;
  constexpr std::uint64_t kPart = 2;  // beside the training and the test part
  const auto chosen = choose_samples(source->size(), settings_.lidar_samples, seed_, kPart);
  std::vector<at::Tensor> views;
  for (std::int64_t view = 0; view < settings_.lidar_views; ++view) {
    SampleReader reader(modality_, *source, chosen, settings_.batch_size, seed_, 0,
                        {Purpose::pretrain, static_cast<std::uint64_t>(view)});
    views.push_back(reader.collect(embed, device, workers_).x);
    if (!views.back().defined() || !at::isfinite(views.back()).all().item<bool>()) return kUnknown;
  }
  return views.front().size(0) > 1 ? lidar(at::stack(views, 1)) : kUnknown;
}

std::optional<HealthResult> ProbeData::health(const Embed& embed, at::Device device) {
  const Part& part = test_.source ? test_ : train_;
  if (!part.source) return std::nullopt;
  const Features features = part.reader(false).collect(embed, device, workers_);
  if (features.size() < 2) return std::nullopt;
  return HealthResult{feature_std(features.x), effective_rank(features.x), rankme(features.x), features.size()};
}

}  // namespace cairn

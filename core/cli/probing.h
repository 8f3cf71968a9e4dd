#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "cli/probe_data.h"
#include "evaluate/attentive_probe.h"
#include "model/named_state.h"

namespace cairn::cli {

/// One probe with one seed: the answers [M,C] for the test samples, and what a person may want to know of how they came
/// about.
struct ProbeOutcome {
  at::Tensor answers, truth;
  nlohmann::ordered_json facts = nlohmann::ordered_json::object();
  std::vector<FrameBox> boxes = {};  // which the answers are about, with --task boxes
};

/// Trains heads on frozen features, or the whole encoder, and asks them about the test samples. Keeps references.
class Probing {
 public:
  Probing(const ProbeArguments& arguments, const ProbeSubject& subject, at::Device device)
      : arguments_(arguments), subject_(subject), device_(device), data_(arguments, subject, device) {}

  const ProbeData& data() const { return data_; }
  /// ConfigError where what was asked for cannot be cross-validated.
  ProbeOutcome run(std::uint64_t seed);

 private:
  /// Every sample of both parts is asked about, by heads that learnt from the other folds.
  ProbeOutcome cross_validate(std::uint64_t seed) const;
  /// The trained head, and in `facts` what it chose.
  Answer learn(const Features& train, std::uint64_t seed, nlohmann::ordered_json& facts) const;
  AttentiveProbeOptions attentive(std::uint64_t seed) const;
  /// Fine-tunes a copy of the weights, so that every seed starts from the checkpoint.
  ProbeOutcome tune(std::uint64_t seed);
  /// A few samples of each class, as --low-shot asks; says once which classes have too few.
  Features few(const Features& all, std::uint64_t seed) const;
  std::vector<std::int64_t> tuned_on(std::uint64_t seed);

  const ProbeArguments& arguments_;
  const ProbeSubject& subject_;
  at::Device device_;
  ProbeData data_;
  NamedTensors weights_;  // as they were opened
  Features features_train_;
  ViewFeatures features_test_;
  std::int64_t classes_ = 0;  // that their labels number
};

}  // namespace cairn::cli

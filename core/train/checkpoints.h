#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "model/composition.h"
#include "model/named_state.h"
#include "train/optimizer.h"

namespace cairn {

/// The step with the best probe so far, and its score.
struct BestStep {
  std::int64_t step = 0;
  double score = 0.0;
};

/// What a checkpoint holds beside networks and optimizer.
struct RunPoint {
  std::int64_t step = 0;
  std::optional<BestStep> best;
  std::deque<double> losses;  // the window of a loss guard
  NamedTensors watched;       // Watcher::state()
};

/// Brings the networks to the state of a checkpoint. Error with a full report if it is of another model.
CAIRN_API void load_weights(const std::filesystem::path& checkpoint, const Composition& parts);

/// The folder `checkpoints` of a run: `step-N/` with student, teacher and optimizer as safetensors and state.json.
/// A checkpoint appears complete or not at all; the newest `keep` stay, and the best by probe.
class CAIRN_API Checkpoints {
 public:
  Checkpoints(std::filesystem::path folder, const CheckpointSettings& settings);

  /// Writes a checkpoint and removes what is no longer kept. Error when the disk is full; older ones are untouched.
  std::filesystem::path save(const RunPoint& point, const Composition& parts, const Optimizer& optimizer);
  /// The newest complete checkpoint.
  std::optional<std::filesystem::path> newest() const;
  /// Brings model and optimizer to the state of a checkpoint. Error with a full report if it is of another model.
  static RunPoint load(const std::filesystem::path& checkpoint, Composition& parts, Optimizer& optimizer);

 private:
  std::filesystem::path path_of(std::int64_t step) const;
  void prune(const std::optional<BestStep>& best) const;

  std::filesystem::path folder_;
  CheckpointSettings settings_;
};

}  // namespace cairn

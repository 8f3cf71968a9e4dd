#pragma once

#include <ATen/core/Tensor.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "cairn/export.h"
#include "train/trainer.h"

namespace cairn {

/// Figures of health by name, as metrics.jsonl has them.
using HealthFigures = std::vector<std::pair<std::string, double>>;

/// Makes figures of health from logged steps: spread of the features of the last few hundred samples, of the
/// predictor's answers and of its targets, gradient norms of the parts, distance of teacher and student. What is
/// undefined or not finite is left out. Works on a bounded number of rows, on the CPU.
class CAIRN_API StepHealth {
 public:
  HealthFigures observe(const StepRecord& record);

  /// The features that the next figures take in, as tensors [B,D] in the order of their names.
  NamedTensors state() const;
  void restore(const NamedTensors& state);

 private:
  void features(const StepRecord& record, HealthFigures& figures);
  static void predictions(const StepRecord& record, HealthFigures& figures);
  static void targets(const StepRecord& record, HealthFigures& figures);

  std::deque<at::Tensor> recent_;  // [B,D] features of the last logged steps
};

}  // namespace cairn

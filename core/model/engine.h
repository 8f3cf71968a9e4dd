#pragma once

#include <map>
#include <vector>

#include "cairn/export.h"
#include "cairn/objective.h"
#include "model/composition.h"

namespace cairn {

/// What one forward pass gives: the loss, and what the objectives' settle() and the health meters need of it.
struct Pass {
  LossReport report;
  std::vector<Encoded> contexts;
  std::vector<std::vector<Pair>> pairs;  // of each objective
  at::Tensor features;                   // [B,D] pooled, of the target branch where there is one
  at::Tensor targets;                    // [B,N,D] raw targets of the first view asked about, if tokens
};

/// Executes plans: encodes contexts, makes targets, answers queries, evaluates objectives. Contexts of equal shape, and
/// queries of equal shape, run as one batch.
class CAIRN_API Engine {
 public:
  explicit Engine(Composition& parts) : parts_(parts) {}

  Pass run(const Batch& batch, const Plan& plan, const Progress& progress);
  /// Lets every objective update its own buffers after the optimizer step.
  void settle(const Pass& pass, const Plan& plan, const Progress& progress);

 private:
  std::vector<Encoded> encode_contexts(const Batch& batch, const Plan& plan);
  std::map<int, Encoded> encode_targets(const Batch& batch, const Plan& plan, const std::vector<Encoded>& contexts);
  at::Tensor raw_target(const Batch& batch, int view, const std::map<int, Encoded>& encoded) const;
  std::vector<at::Tensor> predict(const Batch& batch, const Plan& plan, const std::vector<Encoded>& contexts);
  std::vector<Pair> pair(Objective& objective, const Plan& plan, const std::map<int, at::Tensor>& raw,
                         const std::vector<at::Tensor>& predictions) const;

  Composition& parts_;
};

}  // namespace cairn

#pragma once

#include <map>
#include <span>
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
  at::Tensor targets;                    // [B,N,D] of the first view asked about, as the first objective compares them
};

/// Executes plans: encodes contexts, makes targets, answers queries, evaluates objectives. Contexts of equal shape, and
/// queries of equal shape, run as one batch.
class CAIRN_API Engine {
 public:
  explicit Engine(Composition& parts) : parts_(parts) {}

  Pass run(const Batch& batch, const Plan& plan, const Progress& progress);
  /// Whether every objective's is_steady() says so.
  bool is_steady(const Progress& progress) const;
  /// Lets every objective update its own buffers after the optimizer step; `passes` are the parts of the batch, `plan`
  /// is the last one's.
  void settle(std::span<const Pass> passes, const Plan& plan, const Progress& progress);

 private:
  /// What contexts must share beside their shape to run as one batch.
  int stack_of(const Context& context) const { return parts_.stack_views ? 0 : context.view; }
  std::vector<Encoded> encode(Branch& branch, const Batch& batch, std::span<const Context> contexts,
                              const std::vector<std::int64_t>& taps);
  /// Whether each query at this level has a target of its own, of the asked tokens alone.
  bool is_asked_alone(Level level) const;
  /// Where the target of a query is kept: by view; by query where each has a target of its own.
  int slot(const Plan& plan, std::size_t query) const;
  std::map<int, Encoded> encode_targets(const Batch& batch, const Plan& plan, const std::vector<Encoded>& contexts);
  Encoded encode_whole(Branch& branch, const Batch& batch, const Plan& plan, int view,
                       const std::vector<Encoded>& contexts) const;
  at::Tensor raw_target(const Batch& batch, const Plan& plan, std::size_t query,
                        const std::map<int, Encoded>& encoded) const;
  /// Features [B,Q,D] of tokens, or [B,D], as objectives compare them: behind the projector where it is for tokens too.
  at::Tensor projected(Branch& branch, Level level, const at::Tensor& features) const;
  /// The student's own features as answers, where there is no predictor.
  std::vector<at::Tensor> own_answers(const Plan& plan, const std::vector<Encoded>& contexts) const;
  std::vector<at::Tensor> predict(const Batch& batch, const Plan& plan, const std::vector<Encoded>& contexts);
  /// Raw targets by level and slot.
  using RawTargets = std::map<std::pair<Level, int>, at::Tensor>;
  /// The targets of the objective's own level, by slot, as it compares them.
  std::map<int, at::Tensor> refine(Objective& objective, const RawTargets& raw) const;
  /// The pairs of the queries at `level`.
  std::vector<Pair> pair(Level level, const Batch& batch, const Plan& plan, const std::map<int, at::Tensor>& refined,
                         const std::vector<at::Tensor>& predictions) const;

  Composition& parts_;
};

}  // namespace cairn

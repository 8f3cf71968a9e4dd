#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cairn/encoder.h"
#include "cairn/export.h"
#include "cairn/plan.h"
#include "cairn/progress.h"

namespace cairn {

/// Who makes the targets. Only `student` lets gradients through.
enum class Source : std::uint8_t { teacher, student_detached, student, input, none };

/// What an objective needs from the rest of the experiment.
struct TargetSpec {
  Source source = Source::teacher;
  Level level = Level::tokens;
  std::vector<std::int64_t> taps;  // blocks whose outputs are the target, side by side [B,N,T*D]; empty: the output
  std::int64_t width = 0;          // of a refined target; 0: as wide as the source's output
  int views = 1;                   // fewest views a batch must have
  bool asked_only = false;         // the source sees nothing but the tokens a query asks about, each query apart (M2D)
};

/// What a loss sees when several processes share a batch. `local`: each process its own rows. `gathered`: the rows of
/// all processes, through gather_rows() of cairn/collective.h. Gradients of parameters are averaged over the processes
/// either way, so that N processes of B/N rows give a gathered loss the gradient of one process of B.
enum class Reduction : std::uint8_t { local, gathered };

/// One answered query: `target` is what refine() made of the target, gathered at the query's places.
struct Pair {
  at::Tensor prediction;  // [B,Q,O] or [B,O]
  at::Tensor target;      // same shape, without gradient unless the source is `student`
  const Query* query = nullptr;
  TokenGrid grid = {};  // of the view asked about
};

/// All an objective sees of a step.
struct StepView {
  std::span<const Pair> pairs;
  std::span<const Encoded> contexts;  // what the student made of plan.contexts, same order
  const Plan* plan = nullptr;
  Progress progress;
};

/// A loss and its parts, all scalars on the device: never read back inside the loop.
struct LossReport {
  at::Tensor total;
  std::vector<std::pair<std::string, at::Tensor>> terms;
};

/// Turns predictions and targets into a loss.
class CAIRN_API Objective : public torch::nn::Module {
 public:
  Objective();
  ~Objective() override;

  /// Who makes the targets, of what, and how wide; the same at every call. All objectives of an experiment that have a
  /// target must agree on it, but for the level.
  virtual TargetSpec target() const = 0;
  /// Shapes the targets of one whole view, [B,N,D] (or [B,N,T*D] for T taps, or [B,D] pooled), before the asked places
  /// are gathered: normalisation belongs here. With `asked_only`, or behind a projector, the asked tokens of one query,
  /// [B,Q,D]. Runs without gradient unless the source is `student`. Returns it unchanged by default.
  virtual at::Tensor refine(const at::Tensor& target);
  /// The loss of a step, a scalar with a gradient: of the queries at its level, one pair each, at least one. The core
  /// adds up the objectives by their weights. Error for pairs or contexts that it can make nothing of.
  virtual LossReport evaluate(const StepView& step) = 0;
  /// Undoes refine() where targets are input values, so that predictions can be looked at: a prediction [B,N,P] in the
  /// units of the unrefined `target` [B,N,P]. Returns it unchanged by default.
  virtual at::Tensor restore(const at::Tensor& prediction, const at::Tensor& target) const;
  /// What evaluate() sees when several processes share a batch; `local` by default.
  virtual Reduction reduction() const;
  /// After the optimizer step: centres, queues, schedules of the objective's own buffers. Sees the whole batch: where
  /// train.accumulate cuts it into parts, their pairs and contexts follow one another, and `plan` is the last part's.
  virtual void settle(const StepView& step);
  /// Whether evaluate() and refine() compute the same from this step on, whatever the step's number and what settle()
  /// did, but for the values of tensors that stay where they are. A GPU may then replay what it has recorded of a step
  /// (train.graphs). False by default.
  virtual bool is_steady(const Progress& progress) const;
};

/// What an experiment tells an objective at construction.
struct ObjectiveSetting {
  std::int64_t prediction_width = 0;  // of the student's feature, behind the projector where there is one
  std::int64_t encoder_depth = 0;
  TokenizerSpec tokenizer;
};

}  // namespace cairn

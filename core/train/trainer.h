#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cairn/export.h"
#include "config/experiment.h"
#include "data/training_part.h"
#include "model/composition.h"
#include "model/engine.h"
#include "nn/training_pass.h"
#include "train/checkpoints.h"
#include "train/loss_guard.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/step_graphs.h"

namespace cairn {

/// What those who watch are told of a step every log.every steps.
struct StepRecord {
  std::int64_t step = 0;  // optimizer steps done
  bool is_due = true;     // by log.every; else told since the loop ends here
  std::int64_t epoch = 0;
  StepRates rates;
  double loss = 0.0;
  double gradient_norm = 0.0;
  std::vector<std::pair<std::string, double>> terms;                // of the objectives
  std::vector<std::pair<std::string, double>> part_gradient_norms;  // "encoder", "projector", "predictor", …
  double teacher_distance = 0.0;  // |teacher - student| / |student| over the parameters both have; 0 without a teacher
  at::Tensor features;            // [B,D] pooled features of the batch, on the device
  at::Tensor targets;             // [B,N,D] targets of a view as the first objective compares them, or undefined
  at::Tensor predictions;         // [M,D] answers to the first query, or undefined
  at::Tensor asked;               // [M,D] their targets, or undefined
};

/// What a loop reports to: progress, logs, probes. Nothing it does may change the training.
class Watcher {
 public:
  virtual ~Watcher() = default;
  /// After every step: the loss is not read back for it.
  virtual void stepped(std::int64_t step, double loader_wait) = 0;
  virtual void logged(const StepRecord& record) = 0;
  /// A step whose loss leapt or was not finite; `what` says so and what was done about it.
  virtual void guarded(std::int64_t step, const std::string& what) = 0;
  virtual void unreadable(const BadSample& sample) = 0;
  /// Probes the model; the score, if there is one, decides which checkpoint is best.
  virtual std::optional<double> evaluate(std::int64_t step) = 0;
  virtual void saved(std::int64_t step, const std::filesystem::path& checkpoint) = 0;
  /// What it needs to go on as if the run had never stopped: kept in every checkpoint, given back before the first
  /// step.
  virtual NamedTensors state() const { return {}; }
  virtual void restore(const NamedTensors&) {}
};

struct TrainOutcome {
  std::int64_t first_step = 0;
  std::int64_t last_step = 0;
  bool interrupted = false;
  std::int64_t unreadable = 0;
  std::optional<BestStep> best;
  std::filesystem::path checkpoint;  // of the last step
  double flops_per_step = 0.0;       // mean of the first steps of this process; 0 where it made none
};

/// Trains one experiment in one run folder, from its newest checkpoint on if there is one.
class CAIRN_API Trainer {
 public:
  Trainer(const Experiment& experiment, Composition& parts, std::filesystem::path run, at::Device device);

  /// Step the run will go on from: 0, or the newest checkpoint's.
  std::int64_t first_step() const { return point_.step; }
  /// Step it will end at: train.steps, or train.stop_at before that.
  std::int64_t last_step() const;
  TrainOutcome run(Watcher& watcher);
  /// How many of its first steps are counted for TrainOutcome::flops_per_step, which slows them; 30 if not told.
  void count_flops_of(std::int64_t steps) { counted_most_ = steps; }

 private:
  /// Gradient norms of encoder, predictor and so on.
  using PartNorms = std::vector<std::pair<std::string, at::Tensor>>;

  struct Learned {
    std::vector<Pass> passes;  // of the parts of the batch
    std::vector<Plan> plans;
    Batch batch;  // of the last part
    at::Tensor loss;
  };

  void set_modes();
  bool is_mixed() const { return experiment_.train.precision == "bfloat16"; }
  /// The weights that mixed precision computes with, after others than the optimizer wrote values.
  void cast_half();
  Learned learn(Loader& loader, const Progress& progress, Watcher& watcher);
  void tell_unreadable(Watcher& watcher);
  /// Forward and backward pass of a part of the batch.
  Pass pass_of(const Batch& batch, const Plan& plan, const Progress& progress);
  /// Whether this step's loss is read before its update. On a GPU that would stop the queue of kernels every time, so
  /// that without a guard only steps are looked at whose weights are logged, evaluated or kept.
  bool must_look(bool is_used) const;
  /// Looks at loss and gradient before they reach the weights; false when the update is to be left out. Error, naming
  /// what went wrong first, when a step is not finite and no guard is asked for, or the guard's patience has ended.
  bool passes(const Learned& learned, const at::Tensor& gradient_norm, Watcher& watcher);
  /// Puts weights and moments back to the newest checkpoint, and goes on from this step.
  bool roll_back();
  /// Applies the gradient, and what follows the weights.
  void update(const Learned& learned, const Progress& progress, const StepRates& rates,
              const at::Tensor& gradient_norm);
  /// Counts the step, and forgets its gradient.
  void leave_out();
  PartNorms part_gradient_norms() const;
  StepRecord record(const Learned& learned, const Progress& progress, const StepRates& rates,
                    const at::Tensor& gradient_norm, const PartNorms& part_norms) const;
  void save(Watcher& watcher);
  void evaluate(Watcher& watcher);
  LoaderOptions loader_options(std::int64_t last) const;

  Experiment experiment_;
  Composition& parts_;
  at::Device device_;
  TrainingPart data_;
  std::unique_ptr<FlatParameters> student_, teacher_;
  std::shared_ptr<const nn::TrainingPass::Copies> copies_ = std::make_shared<const nn::TrainingPass::Copies>();
  std::unique_ptr<Optimizer> optimizer_;
  Schedule schedule_;
  Engine engine_;
  std::optional<StepGraphs> graphs_;
  Checkpoints checkpoints_;
  RunPoint point_;
  LossGuard guard_;
  std::int64_t saved_step_ = -1;
  std::int64_t counted_most_ = 30;  // steps whose operations are counted: masks make them differ
  std::int64_t counted_steps_ = 0;
  double counted_flops_ = 0.0;
};

}  // namespace cairn

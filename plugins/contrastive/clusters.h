#pragma once

#include <cstdint>
#include <map>

#include "cairn/objective.h"
#include "cairn/options.h"

namespace cairn::contrastive {

/// Where the centre begins: at 0 as in DINO, or at the mean of the first batch, which spares the steps it takes to get
/// there.
enum class CenterStart : std::uint8_t { zero, batch };

struct DinoOptions {
  Level level = Level::pooled;
  double student_temperature = 0.1;
  double teacher_temperature = 0.04;
  double start_temperature = 0.0;
  double warmup_share = 0.0;
  double center_momentum = 0.9;
  CenterStart center_start = CenterStart::zero;
  static Schema<DinoOptions> schema();
};

/// DINO (Caron et al. 2021, algorithm 1): cross-entropy of the student's distribution with the teacher's centred and
/// sharpened one, the mean over all queries. At the level of tokens: iBOT's masked prediction (Zhou et al. 2022, eq.
/// 2).
class Dino : public Objective {
 public:
  Dino(const DinoOptions& options, const ObjectiveSetting& setting);

  TargetSpec target() const override;
  LossReport evaluate(const StepView& step) override;
  bool is_steady(const Progress& progress) const override;
  /// Moves the centre towards the mean of the teacher's outputs, over the views asked about (eq. 4).
  void settle(const StepView& step) override;
  /// The teacher's temperature: from start_temperature, where given, linearly over warmup_share of the steps.
  double teacher_temperature(const Progress& progress) const;

 private:
  /// Mean of the teacher's outputs [K], over rows and views.
  at::Tensor mean_target(const StepView& step) const;
  bool starts(const StepView& step) const;

  DinoOptions options_;
  at::Tensor center_;  // [K]
};

struct SwavOptions {
  double temperature = 0.1;
  double epsilon = 0.05;
  std::int64_t iterations = 3;
  std::int64_t queue = 0;
  double queue_start = 0.0;
  static Schema<SwavOptions> schema();
};

/// Codes of scores [B,K] by Sinkhorn-Knopp (Caron et al. 2020, section 3.1): every sample's sum to 1, and all
/// prototypes get nearly equal shares. In logarithms, so that no score is too large. Each iteration normalises
/// prototypes first, then samples.
at::Tensor sinkhorn(const at::Tensor& scores, double epsilon, std::int64_t iterations);

/// SwAV (Caron et al. 2020, eq. 2): each view's scores must predict the codes of the view asked about, the mean over
/// the queries. The codes carry no gradient.
class Swav : public Objective {
 public:
  Swav(const SwavOptions& options, const ObjectiveSetting& setting);

  TargetSpec target() const override;
  LossReport evaluate(const StepView& step) override;
  bool is_steady(const Progress& progress) const override;
  Reduction reduction() const override { return Reduction::gathered; }
  /// Pushes the scores of the views asked about into the queue.
  void settle(const StepView& step) override;

 private:
  /// Scores [B,K] of each view asked about, without gradient.
  std::map<int, at::Tensor> asked_scores(const StepView& step) const;
  at::Tensor codes(const at::Tensor& scores, const StepView& step, std::int64_t pushed) const;

  SwavOptions options_;
  at::Tensor queue_;  // [Q,K], the newest last; undefined without a queue
};

}  // namespace cairn::contrastive

#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cairn/objective.h"
#include "cairn/options.h"

namespace cairn::jepa {

/// What a difference costs.
enum class Loss : std::uint8_t { smooth_l1, l1, l2, cosine };

/// What is done to the target's features first.
enum class TargetNorm : std::uint8_t { layer, none };

/// What is done to each of several blocks before their mean is taken: `instance` standardises each channel over the
/// sample's tokens, as data2vec does.
enum class BlockNorm : std::uint8_t { none, layer, instance };

struct LatentRegressionOptions {
  Loss loss = Loss::smooth_l1;
  Source source = Source::teacher;
  bool asked_only = false;
  double beta = 1.0;
  TargetNorm target_norm = TargetNorm::layer;
  std::int64_t norm_parts = 1;
  bool centre_position = false;
  bool centre_sample = false;
  bool scale_channels = false;
  std::int64_t target_blocks = 0;
  std::vector<std::int64_t> levels;
  double seen_weight = 0.5;
  std::array<std::int64_t, 2> seen_ramp = {0, 0};
  double seen_distance = 0.0;
  BlockNorm block_norm = BlockNorm::none;
  double variance = 0.0;
  static Schema<LatentRegressionOptions> schema();
};

/// Regression of the teacher's tokens: I-JEPA (Assran et al. 2023, eq. 1; smooth L1 in its code), V-JEPA (Bardes et al.
/// 2024, eq. 1; L1), A-JEPA (squared difference), M2D (Niizumi et al. 2022, eq. 1; 2 - 2 cos, the teacher sees only
/// what is asked). Each query counts alike, whatever its number of tokens.
class LatentRegression : public Objective {
 public:
  LatentRegression(const LatentRegressionOptions& options, const ObjectiveSetting& setting);

  TargetSpec target() const override;
  /// Target tokens [B,N,D], or K blocks' side by side [B,N,K*D] whose mean is taken, to normalised float [B,N,D].
  /// Order: block norm and mean (Baevski et al. 2022, sec. 3.3), layer norm, minus the mean over the batch at each
  /// position, minus the mean over each sample's tokens, over the deviation of each channel + 1e-3.
  at::Tensor refine(const at::Tensor& target) override;
  /// Error if there are no pairs, or a prediction has not its target's shape.
  LossReport evaluate(const StepView& step) override;
  bool is_steady(const Progress& progress) const override;

 private:
  /// Weight of seen tokens at this point of the run.
  double seen_weight(const Progress& progress) const;
  at::Tensor mean_of_blocks(const at::Tensor& blocks) const;
  enum class Of : std::uint8_t { each, all };
  /// What each token costs, [B,Q], or all in the mean, of predictions and targets [B,Q,D].
  at::Tensor cost(const at::Tensor& prediction, const at::Tensor& target, Of of) const;
  /// The mean cost of the seen tokens [B,K,D] of a question, by their distance to hidden ones where that is asked for.
  at::Tensor seen_cost(const at::Tensor& prediction, const at::Tensor& target, const Pair& pair) const;

  LatentRegressionOptions options_;
  ObjectiveSetting setting_;
};

}  // namespace cairn::jepa

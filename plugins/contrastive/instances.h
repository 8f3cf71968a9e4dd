#pragma once

#include <cstdint>

#include "cairn/objective.h"
#include "cairn/options.h"

namespace cairn::contrastive {

struct NtXentOptions {
  double temperature = 0.1;
  static Schema<NtXentOptions> schema();
};

/// SimCLR's loss (Chen et al. 2020, eq. 1), the mean over all rows. More than two views: the mean over all positives of
/// a row, each against every other row (Khosla et al. 2020, eq. 2, with the sample as class).
class NtXent : public Objective {
 public:
  NtXent(const NtXentOptions& options, const ObjectiveSetting&) : options_(options) {}

  TargetSpec target() const override;
  LossReport evaluate(const StepView& step) override;
  bool is_steady(const Progress&) const override { return true; }
  Reduction reduction() const override { return Reduction::gathered; }

 private:
  NtXentOptions options_;
};

struct InfoNceOptions {
  double temperature = 0.2;
  std::int64_t queue = 0;
  static Schema<InfoNceOptions> schema();
};

/// MoCo v3's loss (Chen, Xie and He 2021, algorithm 1): each prediction must find its own key among the batch's keys,
/// 2 * temperature * cross-entropy, summed over the queries. With a queue, keys of earlier batches are negatives too
/// (MoCo, He et al. 2020).
class InfoNce : public Objective {
 public:
  InfoNce(const InfoNceOptions& options, const ObjectiveSetting& setting);

  TargetSpec target() const override;
  LossReport evaluate(const StepView& step) override;
  bool is_steady(const Progress&) const override { return true; }
  Reduction reduction() const override { return Reduction::gathered; }
  /// Pushes the batch's keys into the queue.
  void settle(const StepView& step) override;

 private:
  InfoNceOptions options_;
  at::Tensor queue_;  // [Q,D] unit rows, the newest last; undefined without a queue
};

/// `byol` sums 2 - 2 cos over the queries, `simsiam` is minus half the sum of the cosines.
enum class CosineForm : std::uint8_t { byol, simsiam };

/// Who makes the targets; `form` is what the method does.
enum class CosineSource : std::uint8_t { form, teacher, student_detached, student };

struct CosineOptions {
  CosineForm form = CosineForm::byol;
  CosineSource source = CosineSource::form;
  static Schema<CosineOptions> schema();
};

/// The cosine losses of BYOL (Grill et al. 2020, eq. 2) and SimSiam (Chen and He 2021, eq. 2).
class CosineRegression : public Objective {
 public:
  CosineRegression(const CosineOptions& options, const ObjectiveSetting&) : options_(options) {}

  TargetSpec target() const override;
  LossReport evaluate(const StepView& step) override;
  bool is_steady(const Progress&) const override { return true; }

 private:
  CosineOptions options_;
};

}  // namespace cairn::contrastive

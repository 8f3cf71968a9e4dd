#include <ATen/ATen.h>

#include "cairn/objective.h"
#include "cairn/options.h"
#include "cairn/plugin.h"

// docs/porting.md shows the first of these two objectives; the second one has buffers and every kind of target.
namespace cairn::ported {

/// Which paper's reduction.
enum class Form : std::uint8_t { byol, simsiam };

struct CosineOptions {
  Form form = Form::byol;
  static Schema<CosineOptions> schema() {
    Schema<CosineOptions> s("Cosine regression of the other view, the objective of BYOL and SimSiam");
    s.option("form", &CosineOptions::form, {{"byol", Form::byol}, {"simsiam", Form::simsiam}},
             "sum of 2 - 2 cos over both directions, or minus half the sum of the cosines");
    return s;
  }
};

/// BYOL (Grill et al. 2020, eq. 2) and SimSiam (Chen & He 2021, eq. 2).
class CosineRegression : public Objective {
 public:
  CosineRegression(const CosineOptions& options, const ObjectiveSetting&) : form_(options.form) {}

  TargetSpec target() const override {
    TargetSpec spec;
    spec.source = form_ == Form::byol ? Source::teacher : Source::student_detached;
    spec.level = Level::pooled;
    spec.views = 2;
    return spec;
  }

  LossReport evaluate(const StepView& step) override {
    at::Tensor total = at::zeros({}, step.pairs.front().prediction.options());
    for (const Pair& pair : step.pairs) {
      const at::Tensor cosine = at::cosine_similarity(pair.prediction, pair.target, 1).mean();
      total = total + (form_ == Form::byol ? 2.0 - 2.0 * cosine : -0.5 * cosine);
    }
    return {total, {}};
  }

 private:
  Form form_;
};

struct PullOptions {
  Source source = Source::teacher;
  static Schema<PullOptions> schema() {
    Schema<PullOptions> s("Squared distance to the other view's target and to a centre, for tests");
    s.option(
        "source", &PullOptions::source,
        {{"teacher", Source::teacher}, {"student", Source::student}, {"student_detached", Source::student_detached}},
        "who makes the targets");
    return s;
  }
};

/// Sum over the queries of mean((prediction - target - center)^2), times `scale` where a case fills it.
class Pull : public Objective {
 public:
  Pull(const PullOptions& options, const ObjectiveSetting& setting) : source_(options.source) {
    center_ = register_buffer("center", at::zeros({setting.prediction_width}));
    scale_ = register_buffer("scale", at::empty({0}));
  }

  TargetSpec target() const override {
    TargetSpec spec;
    spec.source = source_;
    spec.level = Level::pooled;
    return spec;
  }

  LossReport evaluate(const StepView& step) override {
    at::Tensor total = at::zeros({}, center_.options());
    for (const Pair& pair : step.pairs) total = total + (pair.prediction - pair.target - center_).square().mean();
    return {scale_.numel() > 0 ? total * scale_.sum() : total, {}};
  }

  void settle(const StepView& step) override {
    at::Tensor sum = at::zeros_like(center_);
    for (const Pair& pair : step.pairs) sum += pair.target.mean(0);
    center_.copy_(sum / static_cast<double>(step.pairs.size()));
  }

 private:
  Source source_;
  at::Tensor center_, scale_;
};

}  // namespace cairn::ported

namespace {

void enroll(cairn::Registry& registry) {
  using namespace cairn::ported;
  registry.objective<CosineRegression, CosineOptions>("cosine_regression");
  registry.objective<Pull, PullOptions>("pull");
}

}  // namespace

CAIRN_PLUGIN(ported, "0.1.0", "Objectives for the tests of cairn verify", enroll)

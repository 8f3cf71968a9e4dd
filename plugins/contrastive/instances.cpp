#include "instances.h"

#include <ATen/ATen.h>

#include <limits>

#include "cairn/collective.h"
#include "cairn/error.h"
#include "views.h"

namespace cairn::contrastive {

Schema<NtXentOptions> NtXentOptions::schema() {
  Schema<NtXentOptions> s("SimCLR: every view must find the other views of its sample among all views of the batch");
  s.option("temperature", &NtXentOptions::temperature, "divides the cosines").range(1e-4, 100);
  return s;
}

TargetSpec NtXent::target() const { return pooled_target(Source::none); }

LossReport NtXent::evaluate(const StepView& step) {
  const std::vector<at::Tensor> views = gathered_answers(step, "objective contrastive.nt_xent");
  const auto count = static_cast<std::int64_t>(views.size());
  const std::int64_t samples = views.front().size(0);
  const at::Tensor z = unit_rows(at::cat(views));
  const at::Tensor self = at::eye(z.size(0), z.options()).to(at::kBool);
  const at::Tensor sample = at::arange(samples, z.options().dtype(at::kLong)).repeat({count});
  const at::Tensor positive = sample.unsqueeze(0).eq(sample.unsqueeze(1)).logical_and(self.logical_not());
  const at::Tensor logits =
      (z.mm(z.t()) / options_.temperature).masked_fill(self, -std::numeric_limits<float>::infinity());
  // Not masked_select(), which would read back from the device how many there are.
  const at::Tensor chosen = at::log_softmax(logits, 1).masked_fill(positive.logical_not(), 0.0).sum();
  LossReport report{-chosen / static_cast<double>(z.size(0) * (count - 1)), {}};
  report.terms.emplace_back("accuracy", positive.gather(1, logits.argmax(1, /*keepdim=*/true)).to(at::kFloat).mean());
  report.terms.emplace_back("spread", spread(views.front()));
  return report;
}

Schema<InfoNceOptions> InfoNceOptions::schema() {
  Schema<InfoNceOptions> s("MoCo v3: every prediction must find the teacher's key of its own sample");
  s.option("temperature", &InfoNceOptions::temperature, "divides the cosines").range(1e-4, 100);
  s.option("queue", &InfoNceOptions::queue, "keys of earlier batches that are negatives too, as in MoCo v1 and v2")
      .range(0, 1 << 22);
  return s;
}

InfoNce::InfoNce(const InfoNceOptions& options, const ObjectiveSetting& setting) : options_(options) {
  if (options.queue > 0)
    queue_ = register_buffer("queue", unit_rows(at::randn({options.queue, setting.prediction_width})));
}

TargetSpec InfoNce::target() const { return pooled_target(Source::teacher); }

LossReport InfoNce::evaluate(const StepView& step) {
  at::Tensor total, hits;
  for (const Pair& pair : step.pairs) {
    check_pair(pair, "objective contrastive.info_nce");
    const at::Tensor q = unit_rows(pair.prediction.to(at::kFloat));
    at::Tensor keys = unit_rows(gather_rows(pair.target.to(at::kFloat)));
    if (queue_.defined()) keys = at::cat({keys, queue_});
    check_rows(keys.size(0), "objective contrastive.info_nce");
    const at::Tensor logits = q.mm(keys.t()) / options_.temperature;
    const at::Tensor own = at::arange(q.size(0), q.options().dtype(at::kLong)) + first_gathered_row(q.size(0));
    const at::Tensor loss = 2.0 * options_.temperature * at::cross_entropy_loss(logits, own);
    const at::Tensor hit = logits.detach().argmax(1).eq(own).to(at::kFloat).mean();
    total = total.defined() ? total + loss : loss;
    hits = hits.defined() ? hits + hit : hit;
  }
  LossReport report{total, {}};
  report.terms.emplace_back("accuracy", hits / static_cast<double>(step.pairs.size()));
  report.terms.emplace_back("spread", spread(step.pairs.front().target));
  return report;
}

void InfoNce::settle(const StepView& step) {
  if (!queue_.defined()) return;
  std::vector<at::Tensor> rows = {queue_};
  for (const at::Tensor& target : distinct_targets(step)) rows.push_back(unit_rows(gather_rows(target.to(at::kFloat))));
  const at::Tensor all = at::cat(rows);
  queue_.copy_(all.narrow(0, all.size(0) - queue_.size(0), queue_.size(0)));
}

Schema<CosineOptions> CosineOptions::schema() {
  Schema<CosineOptions> s("BYOL and SimSiam: every prediction must point where the target of the other view points");
  s.option("form", &CosineOptions::form, {{"byol", CosineForm::byol}, {"simsiam", CosineForm::simsiam}},
           "the sum of 2 - 2 cos, or minus half the sum of the cosines");
  s.option("source", &CosineOptions::source,
           {{"form", CosineSource::form},
            {"teacher", CosineSource::teacher},
            {"student_detached", CosineSource::student_detached},
            {"student", CosineSource::student}},
           "who makes the targets; form: the teacher for byol, the student without gradient for simsiam");
  return s;
}

TargetSpec CosineRegression::target() const {
  switch (options_.source) {
    case CosineSource::teacher:
      return pooled_target(Source::teacher);
    case CosineSource::student_detached:
      return pooled_target(Source::student_detached);
    case CosineSource::student:
      return pooled_target(Source::student);
    default:
      return pooled_target(options_.form == CosineForm::byol ? Source::teacher : Source::student_detached);
  }
}

LossReport CosineRegression::evaluate(const StepView& step) {
  at::Tensor sum;
  for (const Pair& pair : step.pairs) {
    check_pair(pair, "objective contrastive.cosine_regression");
    const at::Tensor cosine =
        (unit_rows(pair.prediction.to(at::kFloat)) * unit_rows(pair.target.to(at::kFloat))).sum(1).mean();
    sum = sum.defined() ? sum + cosine : cosine;
  }
  const auto count = static_cast<double>(step.pairs.size());
  LossReport report{options_.form == CosineForm::byol ? 2.0 * count - 2.0 * sum : -0.5 * sum, {}};
  report.terms.emplace_back("cosine", sum.detach() / count);
  report.terms.emplace_back("spread", spread(step.pairs.front().target));
  return report;
}

}  // namespace cairn::contrastive

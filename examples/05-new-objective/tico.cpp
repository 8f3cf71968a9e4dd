// The one idea of a port: each line of the paper's algorithm is a line here, target() says what its stop-gradients
// mean, and `cairn verify case` holds loss, gradients and buffers against what Python computed.
#include "tico.h"

#include <ATen/ATen.h>

#include <vector>

#include "cairn/error.h"

namespace cairn::tico {
namespace {

at::Tensor unit_rows(const at::Tensor& x) {
  return x.to(at::kFloat) / x.to(at::kFloat).norm(2, 1, /*keepdim=*/true).clamp_min(1e-12);
}

}  // namespace

Schema<TicoOptions> TicoOptions::schema() {
  Schema<TicoOptions> s("TiCo: views agree, and keep away from where answers used to lie");
  s.option("memory", &TicoOptions::memory, "share of the old covariance that is kept each step (beta)").range(0, 1);
  s.option("contrast", &TicoOptions::contrast, "weight of the covariance term (rho)").range(0, 1e4);
  return s;
}

Tico::Tico(const TicoOptions& options, const ObjectiveSetting& setting) : options_(options) {
  covariance_ = register_buffer("covariance", at::zeros({setting.prediction_width, setting.prediction_width}));
}

TargetSpec Tico::target() const {
  TargetSpec spec;
  spec.source = Source::teacher;  // x_2 of the paper comes from the momentum encoder, without gradient
  spec.level = Level::pooled;
  spec.views = 2;
  return spec;
}

// C <- beta C + (1 - beta) z' z / n, without gradient.
at::Tensor Tico::covariance(const StepView& step) const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> rows;
  for (const Pair& pair : step.pairs) rows.push_back(unit_rows(pair.prediction));
  const at::Tensor z = at::cat(rows);
  return options_.memory * covariance_ + (1 - options_.memory) * z.t().mm(z) / static_cast<double>(z.size(0));
}

LossReport Tico::evaluate(const StepView& step) {
  if (step.pairs.empty())
    throw Error("no view was asked about", "objective tico.tico", "use a masker such as contrastive.cross");
  const at::Tensor c = covariance(step);
  std::vector<at::Tensor> distances, energies;
  for (const Pair& pair : step.pairs) {
    const at::Tensor z = unit_rows(pair.prediction), target = unit_rows(pair.target);
    distances.push_back(1 - (z * target).sum(1).mean());
    energies.push_back((z.mm(c) * z).sum(1).mean());
  }
  const at::Tensor distance = at::stack(distances).mean(), energy = at::stack(energies).mean();
  LossReport report;
  report.total = distance + options_.contrast * energy;
  report.terms.emplace_back("invariance", distance.detach());
  report.terms.emplace_back("covariance", energy.detach());
  return report;
}

void Tico::settle(const StepView& step) { covariance_.copy_(covariance(step)); }

}  // namespace cairn::tico

#include "evaluate/energy.h"

#include <ATen/ATen.h>

#include "cairn/error.h"
#include "data/device_copy.h"
#include "evaluate/knn.h"
#include "model/engine.h"
#include "model/evaluation_mode.h"
#include "plugin/guard.h"

namespace cairn {
namespace {

constexpr std::uint64_t kPlans = 24;  // of Stream::probe

/// Sums over the answers that a token was given.
struct Answers {
  at::Tensor error, count;  // [B,N]
  at::Tensor expected;      // [B,N,D]

  void add(const Pair& pair, const at::Tensor& target) {
    const at::Tensor prediction = pair.prediction.to(at::kCPU, at::kFloat),
                     wanted = pair.target.to(at::kCPU, at::kFloat);
    if (!error.defined()) {
      error = at::zeros({target.size(0), target.size(1)});
      count = at::zeros_like(error);
      expected = at::zeros_like(target);
    }
    at::Tensor where = pair.query->where.all() ? at::arange(target.size(1), at::kLong).expand({target.size(0), -1})
                                               : pair.query->where.index.cpu();
    const at::Tensor off = prediction.sub(wanted).square().mean(-1);
    error.scatter_add_(1, where, off);
    count.scatter_add_(1, where, at::ones_like(off));
    expected.scatter_add_(1, where.unsqueeze(-1).expand_as(prediction), prediction);
  }
};

}  // namespace

bool has_energy(const Composition& parts) {
  const bool whole = parts.target.source != Source::none && !parts.target.asked_only && !parts.projects_tokens;
  if (!whole || parts.objectives.front().objective->target().level != Level::tokens) return false;
  const auto trained = parts.modality->views(Purpose::pretrain), judged = parts.modality->views(Purpose::evaluate);
  return trained.size() == 1 && judged.size() == 1 && trained.front().grid.extent == judged.front().grid.extent;
}

Energy measure_energy(Composition& parts, const Batch& batch, const EnergyOptions& options) {
  if (!has_energy(parts))
    throw Error("there is no energy of a pair: this experiment does not predict tokens of a single view",
                parts.objectives.front().type, "name a run of a JEPA or of a masked autoencoder");
  const at::NoGradGuard no_grad;
  const EvaluationMode mode(parts);
  const auto views = parts.modality->views(Purpose::evaluate);
  Energy energy;
  Answers answers;
  for (std::int64_t i = 0; i < options.plans; ++i) {
    Rng rng(options.seed, Stream::probe, kPlans, static_cast<std::uint64_t>(i));
    Plan plan =
        call_plugin(parts.masker_type, [&] { return parts.masker->plan(views, batch.size(), Progress{}, rng); });
    to_device(plan, batch.views.front().data.device());
    const Pass pass = Engine(parts).run(batch, plan, Progress{});
    if (!energy.target.defined()) energy.target = pass.targets.to(at::kCPU, at::kFloat);
    for (const Pair& pair : pass.pairs.front()) answers.add(pair, energy.target);
  }
  energy.of_sample = answers.error.sum(1) / answers.count.sum(1);
  energy.of_token = answers.error / answers.count;  // 0 / 0 where nobody asked
  energy.expected = answers.expected / answers.count.clamp_min(1.0).unsqueeze(-1);
  return energy;
}

std::vector<TokenPlace> retrieve(const Energy& energy, const TokenPlace& place, std::int64_t count) {
  if (!std::isfinite(energy.of_token[place.row][place.token].item<float>()))
    throw Error("no plan asked about this token", "energy", "raise the number of plans");
  const std::int64_t tokens = energy.target.size(1), width = energy.target.size(2);
  const at::Tensor bank = energy.target.reshape({-1, width});
  const at::Tensor wanted = energy.expected[place.row][place.token].view({1, width});
  const Neighbours near = nearest_rows(bank, wanted, count + tokens);
  std::vector<TokenPlace> found;
  for (std::int64_t i = 0; i < near.row.size(1) && static_cast<std::int64_t>(found.size()) < count; ++i) {
    const std::int64_t row = near.row[0][i].item<std::int64_t>();
    if (row / tokens != place.row) found.push_back({row / tokens, row % tokens});
  }
  return found;
}

}  // namespace cairn

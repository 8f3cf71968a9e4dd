#include "evaluate/reconstruct.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "cairn/error.h"
#include "cairn/nn/tokens.h"
#include "model/engine.h"
#include "model/evaluation_mode.h"

namespace cairn {
namespace {

/// Which tokens of view `view` the context shows, bool [B,N,1].
at::Tensor shown(const Context& context, int view, const at::Tensor& patches) {
  const bool looks = context.view == view;
  at::Tensor mask =
      at::full({patches.size(0), patches.size(1)}, looks && context.visible.all(), patches.options().dtype(at::kBool));
  if (looks && !context.visible.all()) mask.scatter_(1, context.visible.index, true);
  if (looks && !context.masked.all()) mask.scatter_(1, context.masked.index, false);
  return mask.unsqueeze(-1);
}

/// The patches of a view that is everywhere the sample's mean of each channel.
at::Tensor blank_patches(const Modality& modality, const View& view) {
  const at::Tensor mean = view.data.flatten(2).mean(-1);
  const std::vector<std::int64_t> ones(static_cast<std::size_t>(view.data.dim() - 2), 1);
  std::vector<std::int64_t> shape = mean.sizes().vec();
  shape.insert(shape.end(), ones.begin(), ones.end());
  return modality.patches({mean.view(shape).expand_as(view.data), view.grid, view.role});
}

at::Tensor put(const at::Tensor& patches, const TokenSet& where, const at::Tensor& values) {
  if (where.all()) return values;
  return patches.scatter(1, where.index.unsqueeze(-1).expand_as(values), values);
}

}  // namespace

std::vector<FilledView> reconstruct(Composition& parts, const Batch& batch, const Plan& plan,
                                    const Progress& progress) {
  if (parts.target.source != Source::input)
    throw Error("there is nothing to reconstruct: the targets of this experiment are features, not the input",
                parts.objectives.front().type);
  const at::NoGradGuard no_grad;
  const EvaluationMode mode(parts);
  const Pass pass = Engine(parts).run(batch, plan, progress);
  const Objective& objective = *parts.objectives.front().objective;
  std::vector<FilledView> made;
  for (std::size_t q = 0; q < plan.queries.size(); ++q) {
    const Query& query = plan.queries[q];
    const View& view = batch.views[static_cast<std::size_t>(query.view)];
    const at::Tensor patches = parts.modality->patches(view);
    auto entry = std::find_if(made.begin(), made.end(), [&](const FilledView& known) {
      return known.context == query.context && known.view == query.view;
    });
    if (entry == made.end()) {
      const Context& context = plan.contexts[static_cast<std::size_t>(query.context)];
      const at::Tensor seen =
          at::where(shown(context, query.view, patches), patches, blank_patches(*parts.modality, view));
      entry = made.insert(made.end(), {query.context, query.view, seen, seen});
    }
    const at::Tensor prediction = pass.pairs.front()[q].prediction.to(patches.scalar_type());
    entry->filled =
        put(entry->filled, query.where,
            objective.restore(prediction, nn::gather_tokens(patches, query.where)).to(patches.scalar_type()));
  }
  for (FilledView& one : made) {
    const TokenGrid& grid = batch.views[static_cast<std::size_t>(one.view)].grid;
    one.seen = parts.modality->unpatch(one.seen, grid);
    one.filled = parts.modality->unpatch(one.filled, grid);
  }
  return made;
}

}  // namespace cairn

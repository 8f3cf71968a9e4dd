#pragma once

#include <c10/core/Device.h>

#include "cairn/export.h"
#include "data/loader.h"

namespace cairn {

/// The token ids of a plan in a fixed order, undefined ones too.
template <class PlanOf, class F>
void for_each_index(PlanOf& plan, F&& visit) {
  for (auto& context : plan.contexts) {
    visit(context.visible.index);
    visit(context.masked.index);
  }
  for (auto& query : plan.queries) visit(query.where.index);
}

/// The tensors of a batch and its plan that networks compute with, in a fixed order, undefined ones too.
template <class BatchOf, class PlanOf, class F>
void for_each_tensor(BatchOf& batch, PlanOf& plan, F&& visit) {
  for (auto& view : batch.views) visit(view.data);
  for (auto& [name, tensor] : batch.extra) visit(tensor);
  for_each_index(plan, visit);
}

/// Moves the token ids of a plan.
CAIRN_API void to_device(Plan& plan, c10::Device device);

/// Moves what networks compute with, without waiting where it was pinned.
CAIRN_API void to_device(Load& load, c10::Device device);

/// Puts what to_device() moves into page-locked memory, from which a device copies by itself.
void pin(Load& load);

}  // namespace cairn

#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "cairn/batch.h"
#include "cairn/export.h"
#include "cairn/plan.h"
#include "cairn/progress.h"
#include "model/composition.h"

namespace cairn {

/// What a model that predicts input values makes of a view, as data [B,C,...] in the units of the view's own, so that
/// Modality::display() shows it.
struct FilledView {
  int context = 0;
  int view = 0;
  at::Tensor seen;    // what the context shows of the view; the rest blank: each sample's mean of each channel
  at::Tensor filled;  // the same, with what was predicted in its place
};

/// Answers the queries of a plan about a prepared batch and puts the answers back where they belong: one reconstruction
/// for each context and view it is asked about, in the order of the queries. Runs in evaluation mode, without gradient.
/// Error unless the experiment's targets are input values.
CAIRN_API std::vector<FilledView> reconstruct(Composition& parts, const Batch& batch, const Plan& plan,
                                              const Progress& progress);

}  // namespace cairn

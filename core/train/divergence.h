#pragma once

#include <string>

#include "cairn/batch.h"
#include "cairn/export.h"
#include "model/composition.h"
#include "model/engine.h"

namespace cairn {

/// Where a step first stopped being finite, in the order of the forward pass and then of the gradients: "the output of
/// block 3 of the encoder (transformer.vit); its largest parameter is encoder.blocks.3.mlp.fc1.weight at 4e+19". Runs
/// the student again to find the block. Empty when all is finite.
CAIRN_API std::string first_non_finite(const Composition& parts, const Batch& batch, const Plan& plan,
                                       const Pass& pass);

}  // namespace cairn

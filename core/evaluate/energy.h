#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "cairn/batch.h"
#include "cairn/export.h"
#include "cairn/modality.h"
#include "model/composition.h"

namespace cairn {

/// How often a batch is asked about, and by which plans.
struct EnergyOptions {
  std::int64_t plans = 8;
  std::uint64_t seed = 0;
};

/// What a model expects of a view of one, and how far off it is. The energy of a pair of what is seen and what is asked
/// (LeCun 2022) is the mean squared difference of prediction and target, as the first objective compares them; 0 is
/// exactly as expected.
struct Energy {
  at::Tensor of_sample;  // float [B]: the mean over all answers
  at::Tensor of_token;   // float [B,N]: the mean over the plans that ask about a token; NaN where none does
  at::Tensor expected;   // float [B,N,D]: the mean prediction of a token; 0 where no plan asks about it
  at::Tensor target;     // float [B,N,D]
};

/// Whether energies can be had: the experiment predicts tokens of the one view that evaluation looks at, and targets
/// are made of whole views.
CAIRN_API bool has_energy(const Composition& parts);

/// Asks about a prepared batch with the plans of the experiment's masker. Runs in evaluation mode, without gradient.
/// Error where has_energy() is false.
CAIRN_API Energy measure_energy(Composition& parts, const Batch& batch, const EnergyOptions& options);

/// A token of some sample.
struct TokenPlace {
  std::int64_t row = 0;
  std::int64_t token = 0;
};

/// The `count` real tokens whose targets are nearest by cosine to what was expected at `place`, nearest first, those of
/// the sample itself left out. Error if that token was never asked about.
CAIRN_API std::vector<TokenPlace> retrieve(const Energy& energy, const TokenPlace& place, std::int64_t count);

}  // namespace cairn

#pragma once

#include <memory>

#include "cairn/registry.h"
#include "conformance/situation.h"

namespace cairn::conformance {

// Small parts that stand in for what a plugin does not bring, so that each component can be tried alone.

/// Noisy patterns, one for each of four classes, in the views of a situation.
std::shared_ptr<Modality> stand_in_modality(const Situation& situation);
/// Half of the tokens of each view seen, the others asked about.
std::shared_ptr<Masker> token_masker();
/// Every view whole, and asked about every other one.
std::shared_ptr<Masker> view_masker();
/// Two transformer blocks, 32 wide.
std::shared_ptr<Encoder> stand_in_encoder(const EncoderSetting& setting);
/// A guess from the mean of what was seen, and for tokens from the place.
std::shared_ptr<Predictor> stand_in_predictor(const PredictorSetting& setting);
/// Smooth L1 to the teacher's normalised features.
std::shared_ptr<Objective> stand_in_objective(Level level);

}  // namespace cairn::conformance

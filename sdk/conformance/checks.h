#pragma once

#include <optional>
#include <span>
#include <vector>

#include "conformance/findings.h"
#include "conformance/rig.h"
#include "conformance/situation.h"

namespace cairn::conformance {

inline constexpr double kSame = 1e-4;  // relative: the same sums in another order

/// Data and questions that suit a component, for the training that ends its checks.
struct Trial {
  Situation situation;
  Levels levels;
};

// Each holds one component against what the interface promises; nothing where it suits none of the situations.

std::optional<Trial> check_modality(const Part& part, Findings& findings);
std::optional<Trial> check_masker(const Part& part, std::span<const Situation> situations, Findings& findings);
std::optional<Trial> check_encoder(const Part& part, std::span<const Situation> situations, Findings& findings);
std::optional<Trial> check_projector(const Part& part, std::span<const Situation> situations, Findings& findings);
std::optional<Trial> check_predictor(const Part& part, std::span<const Situation> situations, Findings& findings);
std::optional<Trial> check_objective(const Part& part, Findings& findings);

/// 20 steps of training with these parts and stand-ins for the others, and the same again with an interruption.
void check_training(const Trial& trial, std::vector<Part> parts, Findings& findings);

}  // namespace cairn::conformance

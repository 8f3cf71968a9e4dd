#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/objective.h"

namespace cairn::contrastive {

/// What a loss over whole views declares: `views` of them, pooled, with targets from `source`.
TargetSpec pooled_target(Source source, int views = 2);

/// The answer of each asked context once, [B,D] floats in the order of the contexts. Error, in the name of `who`, if
/// there are fewer than two, they differ in shape, or they are about tokens.
std::vector<at::Tensor> answers(const StepView& step, const std::string& who);

/// answers() of all processes together, at least two rows each, as what is compared within a batch needs.
std::vector<at::Tensor> gathered_answers(const StepView& step, const std::string& who);

/// Error, in the name of `who`, if there are fewer than two rows to compare.
void check_rows(std::int64_t rows, const std::string& who);

/// Rows of length 1.
at::Tensor unit_rows(const at::Tensor& x);

/// Error, in the name of `who`, unless the pair compares two vectors [B,D] of equal shape.
void check_pair(const Pair& pair, const std::string& who);

/// The targets of all pairs, each once: pairs about the same view share theirs.
std::vector<at::Tensor> distinct_targets(const StepView& step);

/// Mean over the features of the deviation of unit rows, times sqrt(D): near 1 for spread features, 0 on collapse
/// (Chen and He 2021, section 4.1).
at::Tensor spread(const at::Tensor& x);

}  // namespace cairn::contrastive

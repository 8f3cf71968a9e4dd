#pragma once

#include <cstdint>
#include <optional>

#include "checkpoint/original_sizes.h"
#include "checkpoint/published.h"
#include "checkpoint/weight_source.h"

namespace cairn {

/// Whether these tensors are a classifier without its encoder: V-JEPA's attentive probe, or the linear head that DINO
/// and DINOv2 publish beside their encoders.
bool is_head_alone(const TensorMap& tensors);

/// Such a classifier for the encoder of `model`. DataError where it does not fit its width.
PublishedHead read_head_alone(const TensorMap& tensors, const Sizes& sizes, const PublishedModel& model);

/// The classifier that an encoder's file holds itself ("head.weight"), where there is one: timm's, or MAE's and
/// VideoMAE's after fine-tuning or linear probing.
std::optional<PublishedHead> read_inner_head(WeightSource& weights, const PublishedModel& model);

}  // namespace cairn

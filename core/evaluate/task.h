#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// What a head learns to say of a sample: its one class, which of several classes it has, or numbers. Or, of each of a
/// sample's boxes, which of several classes it has.
enum class Task : std::uint8_t { classes, multi_label, values, boxes };

/// What a trained head answers for rows of features [M,D]: probabilities [M,C], or values [M,K].
using Answer = std::function<at::Tensor(const at::Tensor& x)>;

/// Loss of scores [B,C] for labels: int64 [B], or float [B,C]. Cross-entropy, cross-entropy of each class by itself, or
/// mean squared difference.
CAIRN_API at::Tensor head_loss(Task task, const at::Tensor& scores, const at::Tensor& labels);

/// Scores as answers: probabilities, or the values themselves.
CAIRN_API at::Tensor answers_of(Task task, const at::Tensor& scores);

/// How good answers [M,C] are: accuracy, mAP (of boxes as well, which frame_map() judges where they lie), or the share
/// of the variance explained (mean over the columns).
CAIRN_API double quality(Task task, const at::Tensor& answers, const at::Tensor& labels);

/// The figure of a task: "accuracy", "mAP", "R2" or "frame_mAP".
CAIRN_API const char* quality_name(Task task);

}  // namespace cairn

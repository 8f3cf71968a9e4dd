#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "cairn/export.h"
#include "evaluate/features.h"

namespace cairn {

struct KnnOptions {
  std::int64_t neighbours = 10;  // fewer where there are fewer training rows
  double temperature = 0.07;     // a neighbour of cosine s votes exp(s / temperature), as DINO does
};

/// Guesses [M] for the rows of `x` [M,D]: exact cosine nearest neighbours among `train_x` [N,D] with labels `train_y`
/// in 0 .. classes-1. Of equally near rows the first counts, of equally voted classes the lowest. Works through
/// blocks, so memory does not grow with M. Error on empty or non-finite features.
CAIRN_API at::Tensor knn_classify(const at::Tensor& train_x, const at::Tensor& train_y, const at::Tensor& x,
                                  std::int64_t classes, const KnnOptions& options = {});

/// Share of the test rows that knn_classify() gets right.
CAIRN_API double knn_accuracy(const Features& train, const Features& test, std::int64_t classes,
                              const KnnOptions& options = {});

}  // namespace cairn

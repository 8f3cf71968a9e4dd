#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "cairn/export.h"
#include "evaluate/features.h"

namespace cairn {

struct KnnOptions {
  std::int64_t neighbours = 10;  // fewer where there are fewer training rows
  double temperature = 0.07;     // a neighbour of cosine s votes exp(s / temperature), as DINO does; 0: all alike
  at::Device device = at::kCPU;
};

/// The nearest rows of a bank, nearest first.
struct Neighbours {
  at::Tensor cosine;  // float [M,k]
  at::Tensor row;     // int64 [M,k]
};

/// Exact cosine nearest neighbours of the rows of `x` [M,D] among those of `bank` [N,D]; k is `count`, or N. Works
/// through blocks, so that memory does not grow with M. Of equally near rows the lower comes first, but on a GPU, where
/// it may be either.
CAIRN_API Neighbours nearest_rows(const at::Tensor& bank, const at::Tensor& x, std::int64_t count,
                                  at::Device device = at::kCPU);

/// The same by sorting whole blocks, as a GPU likes it.
CAIRN_API Neighbours nearest_rows_by_block(const at::Tensor& bank, const at::Tensor& x, std::int64_t count,
                                           at::Device device);

/// What the neighbours of the rows of `x` [M,D] vote for, double [M,classes]: shares of the votes for labels `train_y`
/// int64 [N] in 0 .. classes-1, means weighted by votes for float [N,classes]. Error on empty or non-finite features.
CAIRN_API at::Tensor knn_votes(const at::Tensor& train_x, const at::Tensor& train_y, const at::Tensor& x,
                               std::int64_t classes, const KnnOptions& options = {});

/// Guesses [M]: the class with most votes, of equals the lowest.
CAIRN_API at::Tensor knn_classify(const at::Tensor& train_x, const at::Tensor& train_y, const at::Tensor& x,
                                  std::int64_t classes, const KnnOptions& options = {});

/// Share of the test rows that knn_classify() gets right.
CAIRN_API double knn_accuracy(const Features& train, const Features& test, std::int64_t classes,
                              const KnnOptions& options = {});

}  // namespace cairn

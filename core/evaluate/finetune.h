#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "cairn/export.h"
#include "cairn/modality.h"
#include "model/branch.h"

namespace cairn {

/// How encoder and head are trained: AdamW, linear warm-up over a tenth of the steps, cosine to 0, cross-entropy.
struct FinetuneOptions {
  std::int64_t epochs = 10;
  std::int64_t batch_size = 32;
  double lr = 1e-3;             // of the head
  double encoder_factor = 0.1;  // of it, for the encoder
  double weight_decay = 0.05;
  std::uint64_t seed = 0;
  std::int64_t workers = 2;
  at::Device device = at::kCPU;
};

struct FinetuneResult {
  double accuracy = 0.0;
  at::Tensor guess, truth;  // int64 [N] of the readable, labelled test samples
};

/// Trains all of `branch` and a linear head on its pooled feature with augmented samples of the training part, and
/// judges it on plain samples of the test part. Changes the weights of `branch`. Error where no labelled sample can be
/// read.
CAIRN_API FinetuneResult finetune(const Modality& modality, Branch& branch, const std::vector<std::int64_t>& train,
                                  const std::vector<std::int64_t>& test, std::int64_t classes,
                                  const FinetuneOptions& options);

}  // namespace cairn

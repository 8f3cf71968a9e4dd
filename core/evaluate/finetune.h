#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "cairn/export.h"
#include "cairn/modality.h"
#include "evaluate/labels.h"
#include "model/branch.h"

namespace cairn {

/// How encoder and head are trained: AdamW, linear warm-up over a tenth of the steps, cosine to 0.
struct FinetuneOptions {
  Task task = Task::classes;
  std::int64_t epochs = 10;
  std::int64_t batch_size = 32;
  double lr = 1e-3;             // of the head
  double encoder_factor = 0.1;  // of it, for the encoder
  double weight_decay = 0.05;
  std::int64_t views = 0;  // of a test sample, drawn as for training; 0: the plain one
  std::uint64_t seed = 0;
  std::int64_t workers = 2;
  at::Device device = at::kCPU;
};

/// Samples of one part of the data and what is to be learnt of them.
struct FinetuneData {
  std::vector<std::int64_t> samples;
  ReadLabels labels;
};

struct FinetuneResult {
  at::Tensor answers;  // [N,C] for the readable, labelled test samples; the mean over their views
  at::Tensor truth;    // their labels
  std::vector<BadSample> bad_train, bad_test;  // samples that could not be read
};

/// Trains all of `branch` and a linear head of `outputs` on its pooled feature with augmented samples of the training
/// part, and judges it on plain samples of the test part. Changes the weights of `branch`. Error where no labelled
/// sample of a part can be read, and where the loss or an answer is not finite.
CAIRN_API FinetuneResult finetune(const Modality& modality, Branch& branch, const FinetuneData& train,
                                  const FinetuneData& test, std::int64_t outputs, const FinetuneOptions& options);

}  // namespace cairn

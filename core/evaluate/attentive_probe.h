#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "cairn/export.h"
#include "evaluate/features.h"

namespace cairn {

/// How attentive heads are trained: AdamW, cosine to 0 without warm-up, cross-entropy (V-JEPA and V-JEPA 2).
struct AttentiveProbeOptions {
  std::int64_t blocks = 0;  // self-attention blocks before the query: none as in V-JEPA, 3 as in V-JEPA 2
  std::int64_t heads = 0;   // of every attention; 0: as many of 64 as fit the width, at least one
  std::int64_t epochs = 20;
  std::int64_t batch_size = 64;
  std::vector<double> lrs = {3e-3, 1e-3, 3e-4};  // one head for each pair of these two
  std::vector<double> weight_decays = {0.01, 0.1};
  std::uint64_t seed = 0;
  at::Device device = at::kCPU;
};

struct AttentiveProbeResult {
  double accuracy = 0.0;
  double lr = 0.0;  // of the head chosen
  double weight_decay = 0.0;
  at::Tensor guess;  // int64 [N] of the test rows
};

/// Token features are kept flat: x [N, T*D]. Trains every head on the same frozen tokens at the same time, chooses one
/// on the last fifth of a permutation of the training rows, and judges that one on the test rows. (The papers choose on
/// the test part; this costs a fifth of the training rows and does not flatter.) Error on features that are not finite.
CAIRN_API AttentiveProbeResult attentive_probe(const Features& train, const Features& test, std::int64_t width,
                                               std::int64_t classes, const AttentiveProbeOptions& options);

}  // namespace cairn

#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "cairn/export.h"
#include "cairn/nn/attentive_pooler.h"
#include "evaluate/features.h"
#include "evaluate/task.h"

namespace cairn {

/// How attentive heads are trained: AdamW, cosine to 0 without warm-up.
struct AttentiveProbeOptions {
  Task task = Task::classes;
  std::int64_t blocks = 0;  // self-attention blocks before the query
  std::int64_t heads = 0;   // of every attention; 0: as many of 64 as fit the width, at least one
  std::int64_t epochs = 20;
  std::int64_t batch_size = 64;
  std::vector<double> lrs = {3e-3, 1e-3, 3e-4};  // one head for each pair of these two
  std::vector<double> weight_decays = {0.01, 0.1};
  double weight_decay_end = -1.0;  // reached along a cosine; negative: constant
  double clip = 0.0;               // largest norm of a head's gradient; 0 leaves it alone
  bool decays_all = true;          // biases, norms and other 1-d parameters as well
  std::uint64_t seed = 0;
  at::Device device = at::kCPU;
};

/// V-JEPA's recipe (Bardes et al. 2024): one query block, rate 1e-3, decay of matrices 0.01 falling to 1e-6, clipped.
CAIRN_API AttentiveProbeOptions vjepa_recipe();
/// V-JEPA 2's recipe (Assran et al. 2025): three self-attention blocks, 16 heads, and 20 classifiers trained together.
/// Fewer heads where 16 do not divide `width`.
CAIRN_API AttentiveProbeOptions vjepa2_recipe(std::int64_t width);

/// Attentive classifiers trained on the same frozen tokens at the same time, of which the best is kept.
class CAIRN_API AttentiveProbe {
 public:
  /// Token features are kept flat: x [N, T*D] of `width` D. Labels are int64 [N], or float [N,outputs]. Of several
  /// heads one is chosen on the last fifth of a permutation of the training rows. (The papers choose on the test part;
  /// this costs a fifth of the training rows and does not flatter.) Error on features that are not finite.
  AttentiveProbe(const Features& train, std::int64_t width, std::int64_t outputs, const AttentiveProbeOptions& options);

  /// Answers [M,outputs] for tokens [M, T*D]; T need not be that of training.
  at::Tensor operator()(const at::Tensor& x) const;
  /// How much the query looks at each token [M,T].
  at::Tensor attention(const at::Tensor& x) const;
  double lr() const { return lr_; }
  double weight_decay() const { return weight_decay_; }

 private:
  AttentiveProbeOptions options_;
  std::int64_t width_;
  std::shared_ptr<nn::AttentiveClassifier> head_;
  double lr_ = 0.0, weight_decay_ = 0.0;  // of the head chosen
  at::Tensor mean_, scale_;               // of the values learnt; undefined for classes
};

}  // namespace cairn

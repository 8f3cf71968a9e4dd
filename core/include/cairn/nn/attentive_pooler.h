#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <cstdint>
#include <memory>

#include "cairn/export.h"
#include "cairn/nn/block.h"

namespace cairn::nn {

/// Shape of an attentive pooler. V-JEPA 2's probes have three blocks and no projection, V-JEPA 1's no blocks and one.
struct AttentivePoolerOptions {
  std::int64_t width = 0;
  std::int64_t heads = 1;
  std::int64_t hidden = 0;  // width inside the MLPs
  std::int64_t blocks = 0;  // of self-attention among the tokens, before the query looks at them
  std::int64_t queries = 1;
  bool is_projected = false;                 // a linear map behind the cross-attention
  Activation activation = Activation::gelu;  // in the MLPs
  double epsilon = 1e-6;                     // of the layer norms
};

/// Attention of queries [B,Q,D] to tokens [B,N,D], head by head.
class CAIRN_API CrossAttention : public torch::nn::Module {
 public:
  CrossAttention(std::int64_t width, std::int64_t heads, bool is_projected);
  ~CrossAttention() override;

  /// [B,Q,D].
  at::Tensor forward(const at::Tensor& queries, const at::Tensor& tokens);
  /// How much each query looks at each token, the mean over the heads [B,Q,N]; rows sum to 1.
  at::Tensor weights(const at::Tensor& queries, const at::Tensor& tokens);

  torch::nn::Linear query{nullptr}, key_value{nullptr}, projection{nullptr};

 private:
  std::int64_t heads_;
};

/// Pools tokens by learned queries (Bardes et al. 2024, V-JEPA): q += attention(q, norm1(tokens)), q += mlp(norm2(q)),
/// behind self-attention blocks where there are some.
class CAIRN_API AttentivePooler : public torch::nn::Module {
 public:
  explicit AttentivePooler(const AttentivePoolerOptions& options);
  ~AttentivePooler() override;

  /// [B,N,D] to [B,Q,D].
  at::Tensor forward(const at::Tensor& tokens);
  /// How much each query looks at each token [B,Q,N].
  at::Tensor attention(const at::Tensor& tokens);

 private:
  at::Tensor queries_;  // [1,Q,D]
  std::shared_ptr<Blocks> blocks_;
  torch::nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
  std::shared_ptr<CrossAttention> cross_;
  std::shared_ptr<Mlp> mlp_;
};

/// An attentive pooler of one query, and a linear classifier behind it.
class CAIRN_API AttentiveClassifier : public torch::nn::Module {
 public:
  AttentiveClassifier(AttentivePoolerOptions options, std::int64_t classes);
  ~AttentiveClassifier() override;

  /// [B,N,D] to logits [B,classes].
  at::Tensor forward(const at::Tensor& tokens);
  /// How much the query looks at each token [B,N].
  at::Tensor attention(const at::Tensor& tokens);

 private:
  std::shared_ptr<AttentivePooler> pooler_;
  torch::nn::Linear classifier_{nullptr};
};

}  // namespace cairn::nn

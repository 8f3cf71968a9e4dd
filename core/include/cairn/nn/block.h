#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cairn/export.h"
#include "cairn/nn/activation.h"
#include "cairn/nn/packing.h"
#include "cairn/nn/positions.h"

namespace cairn::nn {

/// Shape of a transformer block.
struct BlockOptions {
  std::int64_t width = 0;   // D of the tokens
  std::int64_t heads = 1;   // must divide the width
  std::int64_t hidden = 0;  // width inside the MLP
  bool qkv_bias = true;
  bool key_bias = true;  // with qkv_bias; false: queries and values only, as in BEiT and VideoMAE
  Activation activation = Activation::gelu;
  bool gated = false;        // SwiGLU instead of the activation
  double layer_scale = 0.0;  // start value of the learned scale on each branch; 0: none
  double drop_path = 0.0;    // probability that a sample skips a branch in training
  double epsilon = 1e-6;     // of the layer norms
  double self_mask = 0.0;    // share of the tokens that cannot attend to themselves in training
};

/// How the tokens lie that blocks are given, and which of them come out.
struct Arrangement {
  std::int64_t from = 0;   // tokens before it are attended to and no more; with a packing 0
  Rotation rotation = {};  // of queries and keys in rows [B,N,D], where there is one
  Packing packing = {};    // of those rows, where the tokens are packed
};

/// Multi-head self-attention; `qkv` gives [q|k|v], each head-major. Without a bias of the keys, those of queries and
/// values are parameters of their own.
class CAIRN_API Attention : public torch::nn::Module {
 public:
  /// ConfigError if the heads do not divide the width.
  explicit Attention(const BlockOptions& options);
  std::int64_t heads() const { return heads_; }
  ~Attention() override;

  /// [B,N,D] to [B,N-from,D]: every token is attended to, only those from `from` on attend. Queries and keys are turned
  /// by `rotation`, where there is one.
  at::Tensor forward(const at::Tensor& x, std::int64_t from = 0, const Rotation& rotation = {});

  torch::nn::Linear qkv{nullptr}, projection{nullptr};
  at::Tensor query_bias, value_bias;  // [D]

 private:
  friend class Block;

  /// What the projection takes.
  at::Tensor mix(const at::Tensor& x, const Arrangement& how, const at::Tensor& pairs);
  /// The same of packed rows by way of unpacked ones.
  at::Tensor mix_packed(const at::Tensor& x, const Arrangement& how);
  at::Tensor bias() const;
  at::Tensor heads_first(const at::Tensor& x) const;
  at::Tensor draw_pairs(const at::Tensor& x, const Arrangement& how) const;

  std::int64_t heads_;
  double self_mask_;
};

/// Two linear maps with an activation between, or SwiGLU: fc2(silu(fc1(x)) * gate(x)).
class CAIRN_API Mlp : public torch::nn::Module {
 public:
  Mlp(std::int64_t width, std::int64_t hidden, bool gated = false, Activation activation = Activation::gelu);
  ~Mlp() override;

  /// [...,D] to [...,D].
  at::Tensor forward(const at::Tensor& x);

  torch::nn::Linear fc1{nullptr}, fc2{nullptr}, gate{nullptr};

 private:
  friend class Block;

  /// What fc2 takes.
  at::Tensor widen(const at::Tensor& x);

  Activation activation_;
};

/// Pre-norm residual block (Dosovitskiy et al. 2021): x += attention(norm1(x)), x += mlp(norm2(x)).
class CAIRN_API Block : public torch::nn::Module {
 public:
  explicit Block(const BlockOptions& options);
  ~Block() override;

  /// [B,N,D] to [B,N-from,D]: the outputs of the tokens from `from` on.
  at::Tensor forward(const at::Tensor& x, std::int64_t from = 0, const Rotation& rotation = {});

  std::shared_ptr<Attention> attention;
  std::shared_ptr<Mlp> mlp;

 private:
  friend class Blocks;

  /// A residual stream [B,N,D] whose last branch the next norm adds on its way.
  struct Stream {
    at::Tensor sum, branch, shift;  // may be undefined: branch; shift [D], which is still to be added to the branch

    at::Tensor whole_branch() const { return shift.defined() ? branch + shift : branch; }
    at::Tensor whole() const { return branch.defined() ? sum + whole_branch() : sum; }
  };

  /// What one pass draws at random in training; undefined where nothing is.
  struct Draws {
    at::Tensor pairs;                     // who may attend to whom
    at::Tensor attention_keep, mlp_keep;  // [B,1,1], of packed rows [1,T,1]; 0 or 1 / probability
  };

  Draws draw(const at::Tensor& x, const Arrangement& how) const;
  at::Tensor draw_keep(const at::Tensor& x, const Packing& packing) const;
  Stream forward(const Stream& x, const Arrangement& how);
  Stream forward(const Stream& x, const Arrangement& how, const Draws& draws);
  at::Tensor plain(const at::Tensor& x, const Arrangement& how, const Draws& draws);

  torch::nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
  at::Tensor scale1_, scale2_;
  double drop_path_;
};

/// Blocks one after another, with drop path rising linearly from 0 to the option's value.
class CAIRN_API Blocks : public torch::nn::Module {
 public:
  Blocks(const BlockOptions& options, std::int64_t depth);
  ~Blocks() override;

  /// [B,N,D] to [B,N-from,D]; the last block spares the work on the tokens before `from`.
  at::Tensor forward(at::Tensor x, std::int64_t from = 0, const Rotation& rotation = {});
  /// The same of tokens arranged otherwise, [1,T,D] to [1,T,D] where they are packed. Error if they are and
  /// `self_mask` is in use.
  at::Tensor forward(at::Tensor x, const Arrangement& how);
  /// [B,N,D] to [B,N,D], or packed, with the outputs of the blocks in `taps` (ascending, from 0) appended to `tapped`.
  /// Error if there is no such block.
  at::Tensor forward(at::Tensor x, std::span<const std::int64_t> taps, std::vector<at::Tensor>& tapped,
                     const Arrangement& how = {});

  const std::vector<std::shared_ptr<Block>>& all() const { return blocks_; }

 private:
  std::vector<std::shared_ptr<Block>> blocks_;
};

}  // namespace cairn::nn

#include "cairn/nn/block.h"

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <utility>

#include "cairn/error.h"
#include "nn/cpu_passes.h"
#include "nn/maybe_tensor.h"
#include "nn/mixed.h"
#include "nn/recompute.h"
#include "nn/residual_norm.h"

namespace cairn::nn {

namespace {

torch::nn::Linear linear_map(std::int64_t in, std::int64_t out, bool bias = true) {
  return torch::nn::Linear(torch::nn::LinearOptions(in, out).bias(bias));
}

torch::nn::LayerNorm layer_norm(std::int64_t width, double epsilon) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(epsilon));
}

}  // namespace

Attention::Attention(const BlockOptions& options) : heads_(options.heads), self_mask_(options.self_mask) {
  if (options.width < 1 || heads_ < 1 || options.width % heads_ != 0)
    throw ConfigError("heads",
                      std::to_string(heads_) + " heads do not divide a width of " + std::to_string(options.width),
                      "choose a number of heads that divides the width");
  qkv = register_module("qkv", linear_map(options.width, 3 * options.width, options.qkv_bias && options.key_bias));
  if (options.qkv_bias && !options.key_bias) {
    query_bias = register_parameter("query_bias", at::zeros({options.width}));
    value_bias = register_parameter("value_bias", at::zeros({options.width}));
  }
  projection = register_module("projection", linear_map(options.width, options.width));
}

Attention::~Attention() = default;

at::Tensor Attention::heads_first(const at::Tensor& x) const {
  return x.view({x.size(0), x.size(1), heads_, -1}).transpose(1, 2);
}

at::Tensor Attention::bias() const {
  if (!query_bias.defined()) return qkv->bias;
  return at::cat({query_bias, at::zeros_like(query_bias), value_bias});
}

/// A-JEPA's regularised patch masking (Fei et al. 2023): who may attend to whom, bool [B,1,N-from,N]; a share of the
/// tokens not to themselves, so that the others must tell what stands there. Undefined: everyone to everyone.
at::Tensor Attention::draw_pairs(const at::Tensor& x, const Arrangement& how) const {
  const std::int64_t batch = x.size(0), count = x.size(1), from = how.from;
  if (self_mask_ == 0.0 || !is_training() || count < 2) return {};
  if (how.packing.defined())
    throw ConfigError("self_mask", "rows of unequal length are packed, and self_mask is for equal ones",
                      "set self_mask = 0, or masker.packed = false");
  const at::Tensor chosen = at::rand({batch, 1, count, 1}, at::device(x.device())).lt(self_mask_);
  return chosen.logical_and(at::eye(count, at::device(x.device()).dtype(at::kBool)))
      .logical_not()
      .narrow(2, from, count - from);
}

at::Tensor Attention::forward(const at::Tensor& x, std::int64_t from, const Rotation& rotation) {
  const Arrangement how{from, rotation};
  return linear(mix(x, how, draw_pairs(x, how)), projection);
}

at::Tensor Attention::mix_packed(const at::Tensor& x, const Arrangement& how) {
  const at::Tensor rows = how.packing.unpack(linear(x, qkv->weight, bias()));
  const auto parts = rows.view({rows.size(0), rows.size(1), 3, heads_, -1}).permute({2, 0, 3, 1, 4}).unbind(0);
  const auto turned = [&](const at::Tensor& part) {
    return how.rotation.defined() ? rotate(part, how.rotation) : part;
  };
  const at::Tensor mixed =
      at::scaled_dot_product_attention(turned(parts[0]), turned(parts[1]), parts[2], how.packing.filled());
  return how.packing.pack(mixed.transpose(1, 2).flatten(2));
}

at::Tensor Attention::mix(const at::Tensor& x, const Arrangement& how, const at::Tensor& pairs) {
  const std::int64_t batch = x.size(0), count = x.size(1), width = x.size(2), from = how.from;
  const Rotation& rotation = how.rotation;
  const at::Tensor shift = bias();
  if (from == 0 && !rotation.defined() && !pairs.defined() && has_cpu_attention(x))
    return cpu_attention(x, qkv->weight, shift, heads_, how.packing.starts());
  if (how.packing.defined()) return mix_packed(x, how);
  at::Tensor q, k, v;
  if (from == 0) {
    const auto parts = linear_qkv(x, qkv->weight, shift, heads_);
    q = parts[0], k = parts[1], v = parts[2];
  } else {
    const auto rows = [&](const at::Tensor& t, std::int64_t first, std::int64_t number) {
      return t.defined() ? t.narrow(0, first * width, number * width) : at::Tensor();
    };
    q = heads_first(linear(x.narrow(1, from, count - from), rows(qkv->weight, 0, 1), rows(shift, 0, 1)));
    const auto kv = linear(x, rows(qkv->weight, 1, 2), rows(shift, 1, 2)).chunk(2, -1);
    k = heads_first(kv[0]), v = heads_first(kv[1]);
  }
  if (rotation.defined()) q = rotate(q, rotation), k = rotate(k, rotation);
  const at::Tensor mixed = at::scaled_dot_product_attention(q, k, v, present(pairs));
  return mixed.transpose(1, 2).reshape({batch, count - from, width});
}

Mlp::Mlp(std::int64_t width, std::int64_t hidden, bool gated, Activation activation) : activation_(activation) {
  fc1 = register_module("fc1", linear_map(width, hidden));
  if (gated) gate = register_module("gate", linear_map(width, hidden));
  fc2 = register_module("fc2", linear_map(hidden, width));
}

Mlp::~Mlp() = default;

at::Tensor Mlp::forward(const at::Tensor& x) { return linear(widen(x), fc2); }

at::Tensor Mlp::widen(const at::Tensor& x) {
  if (gate) return at::silu(linear(x, fc1)) * linear(x, gate);
  return activation_ == Activation::gelu ? linear_gelu(x, fc1) : activate(linear(x, fc1), activation_);
}

Block::Block(const BlockOptions& options) : drop_path_(options.drop_path) {
  norm1_ = register_module("norm1", layer_norm(options.width, options.epsilon));
  attention = register_module("attention", std::make_shared<Attention>(options));
  norm2_ = register_module("norm2", layer_norm(options.width, options.epsilon));
  mlp = register_module("mlp", std::make_shared<Mlp>(options.width, options.hidden, options.gated, options.activation));
  if (options.layer_scale == 0.0) return;
  scale1_ = register_parameter("scale1", at::full({options.width}, options.layer_scale));
  scale2_ = register_parameter("scale2", at::full({options.width}, options.layer_scale));
}

Block::~Block() = default;

Block::Draws Block::draw(const at::Tensor& x, const Arrangement& how) const {
  const at::Tensor pairs = attention->draw_pairs(x, how), first = draw_keep(x, how.packing);
  return {pairs, first, draw_keep(x, how.packing)};
}

at::Tensor Block::draw_keep(const at::Tensor& x, const Packing& packing) const {
  if (drop_path_ == 0.0 || !is_training()) return {};
  const double keep = 1.0 - drop_path_;
  const std::int64_t rows = packing.defined() ? packing.filled().size(0) : x.size(0);
  return packing.spread(at::empty({rows, 1, 1}, x.options()).bernoulli_(keep).div_(keep));
}

at::Tensor Block::forward(const at::Tensor& x, std::int64_t from, const Rotation& rotation) {
  const Arrangement how{from, rotation};
  return forward(Stream{x, {}, {}}, how, draw(x, how)).whole();
}

at::Tensor Block::plain(const at::Tensor& x, const Arrangement& how, const Draws& draws) {
  const auto branch = [](at::Tensor out, const at::Tensor& scale, const at::Tensor& keep) {
    if (scale.defined()) out = out * scale;
    return keep.defined() ? out * keep.to(out.scalar_type()) : out;
  };
  const at::Tensor kept = how.from == 0 ? x : x.narrow(1, how.from, x.size(1) - how.from);
  const at::Tensor attended = kept + branch(linear(attention->mix(norm1_(x), how, draws.pairs), attention->projection),
                                            scale1_, draws.attention_keep);
  return attended + branch(mlp->forward(norm2_(attended)), scale2_, draws.mlp_keep);
}

Block::Stream Block::forward(const Stream& x, const Arrangement& how, const Draws& draws) {
  const bool is_plain = !scale1_.defined() && !draws.attention_keep.defined();
  if (!is_plain || !is_fused(x.sum)) return {plain(x.whole(), how, draws), {}, {}};
  const Normed first = add_norm(x.sum, {x.branch, x.shift}, norm1_);
  const at::Tensor kept = how.from == 0 ? first.sum : first.sum.narrow(1, how.from, first.sum.size(1) - how.from);
  const Branch attended = branch_of(attention->mix(first.normed, how, draws.pairs), attention->projection);
  const Normed second = add_norm(kept, attended, norm2_);
  const Branch out = branch_of(mlp->widen(second.normed), mlp->fc2);
  return {second.sum, out.rows, out.shift};
}

Block::Stream Block::forward(const Stream& x, const Arrangement& how) {
  const Draws draws = draw(x.sum, how);
  if (!recomputes_blocks()) return forward(x, how, draws);
  const auto shift = std::make_shared<at::Tensor>();  // a parameter, not to be computed again
  const auto work = [=, this, before = x.shift](const Residual& in) {
    const Stream stream = forward(Stream{in[0], in[1], before}, how, draws);
    *shift = stream.shift;
    return Residual{stream.sum, stream.branch};
  };
  const Residual out = recomputed({x.sum, x.branch}, norm1_->weight, work);
  return {out[0], out[1], *shift};
}

Blocks::Blocks(const BlockOptions& options, std::int64_t depth) {
  for (std::int64_t i = 0; i < depth; ++i) {
    BlockOptions own = options;
    own.drop_path = depth > 1 ? options.drop_path * static_cast<double>(i) / static_cast<double>(depth - 1) : 0.0;
    blocks_.push_back(register_module(std::to_string(i), std::make_shared<Block>(own)));
  }
}

Blocks::~Blocks() = default;

at::Tensor Blocks::forward(at::Tensor x, std::int64_t from, const Rotation& rotation) {
  return forward(std::move(x), Arrangement{from, rotation});
}

at::Tensor Blocks::forward(at::Tensor x, const Arrangement& how) {
  if (how.from != 0 && how.packing.defined()) throw Error("of packed rows all tokens come out, not those from one on");
  if (blocks_.empty()) return x.narrow(1, how.from, x.size(1) - how.from);
  const Arrangement all{0, how.rotation, how.packing};
  Block::Stream stream = {std::move(x), {}, {}};
  for (std::size_t i = 0; i + 1 < blocks_.size(); ++i) stream = blocks_[i]->forward(stream, all);
  return blocks_.back()->forward(stream, how).whole();
}

at::Tensor Blocks::forward(at::Tensor x, std::span<const std::int64_t> taps, std::vector<at::Tensor>& tapped,
                           const Arrangement& how) {
  std::size_t next = 0;
  Block::Stream stream = {std::move(x), {}, {}};
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    stream = blocks_[i]->forward(stream, how);
    if (next == taps.size() || taps[next] != static_cast<std::int64_t>(i)) continue;
    stream = {stream.whole(), {}, {}};
    tapped.push_back(stream.sum);
    ++next;
  }
  if (next != taps.size())
    throw Error("no block " + std::to_string(taps[next]) + " to tap",
                "a transformer of " + std::to_string(blocks_.size()) + " blocks",
                "block numbers are ascending and start at 0");
  return stream.whole();
}

}  // namespace cairn::nn

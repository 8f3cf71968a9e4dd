#include "cairn/nn/attentive_pooler.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "cairn/error.h"
#include "cairn/nn/initialise.h"

namespace cairn::nn {

namespace {

torch::nn::LayerNorm layer_norm(const AttentivePoolerOptions& options) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({options.width}).eps(options.epsilon));
}

BlockOptions block_options(const AttentivePoolerOptions& options) {
  BlockOptions block;
  block.width = options.width;
  block.heads = options.heads;
  block.hidden = options.hidden;
  block.activation = options.activation;
  block.epsilon = options.epsilon;
  return block;
}

}  // namespace

CrossAttention::CrossAttention(std::int64_t width, std::int64_t heads, bool is_projected) : heads_(heads) {
  if (width < 1 || heads < 1 || width % heads != 0)
    throw ConfigError("heads", std::to_string(heads) + " heads do not divide a width of " + std::to_string(width),
                      "choose a number of heads that divides the width");
  query = register_module("query", torch::nn::Linear(width, width));
  key_value = register_module("key_value", torch::nn::Linear(width, 2 * width));
  if (is_projected) projection = register_module("projection", torch::nn::Linear(width, width));
}

CrossAttention::~CrossAttention() = default;

at::Tensor CrossAttention::forward(const at::Tensor& queries, const at::Tensor& tokens) {
  const auto heads_first = [&](const at::Tensor& x) { return x.unflatten(-1, {heads_, -1}).transpose(1, 2); };
  const auto key_and_value = key_value(tokens).chunk(2, -1);
  const at::Tensor mixed = at::scaled_dot_product_attention(heads_first(query(queries)), heads_first(key_and_value[0]),
                                                            heads_first(key_and_value[1]));
  const at::Tensor joined = mixed.transpose(1, 2).flatten(2);
  return projection ? projection(joined) : joined;
}

at::Tensor CrossAttention::weights(const at::Tensor& queries, const at::Tensor& tokens) {
  const auto heads_first = [&](const at::Tensor& x) { return x.unflatten(-1, {heads_, -1}).transpose(1, 2); };
  const at::Tensor q = heads_first(query(queries)), k = heads_first(key_value(tokens).chunk(2, -1)[0]);
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(3)));
  return at::softmax(at::matmul(q, k.transpose(2, 3)) * scale, -1).mean(1);
}

AttentivePooler::AttentivePooler(const AttentivePoolerOptions& options) {
  queries_ = register_parameter("queries", at::empty({1, options.queries, options.width}));
  blocks_ = register_module("blocks", std::make_shared<Blocks>(block_options(options), options.blocks));
  norm1_ = register_module("norm1", layer_norm(options));
  cross_ = register_module("attention",
                           std::make_shared<CrossAttention>(options.width, options.heads, options.is_projected));
  norm2_ = register_module("norm2", layer_norm(options));
  mlp_ = register_module("mlp", std::make_shared<Mlp>(options.width, options.hidden, false, options.activation));
  initialise(*this, Init::jepa);
  fill_normal(queries_);
  rescale_by_depth(*blocks_);
  const at::NoGradGuard no_grad;
  const double divisor = std::sqrt(2.0 * static_cast<double>(std::max<std::int64_t>(1, options.blocks)));
  mlp_->fc2->weight.div_(divisor);
  if (options.is_projected) cross_->projection->weight.div_(divisor);
}

AttentivePooler::~AttentivePooler() = default;

at::Tensor AttentivePooler::forward(const at::Tensor& tokens) {
  const at::Tensor x = norm1_(blocks_->forward(tokens));
  const at::Tensor queries = queries_.expand({x.size(0), -1, -1});
  const at::Tensor looked = queries + cross_->forward(queries, x);
  return looked + mlp_->forward(norm2_(looked));
}

at::Tensor AttentivePooler::attention(const at::Tensor& tokens) {
  const at::Tensor x = norm1_(blocks_->forward(tokens));
  return cross_->weights(queries_.expand({x.size(0), -1, -1}), x);
}

AttentiveClassifier::AttentiveClassifier(AttentivePoolerOptions options, std::int64_t classes) {
  options.queries = 1;
  pooler_ = register_module("pooler", std::make_shared<AttentivePooler>(options));
  classifier_ = register_module("classifier", torch::nn::Linear(options.width, classes));
  const at::NoGradGuard no_grad;
  fill_normal(classifier_->weight);
  classifier_->bias.zero_();
}

AttentiveClassifier::~AttentiveClassifier() = default;

at::Tensor AttentiveClassifier::forward(const at::Tensor& tokens) {
  return classifier_(pooler_->forward(tokens).squeeze(1));
}

at::Tensor AttentiveClassifier::attention(const at::Tensor& tokens) { return pooler_->attention(tokens).squeeze(1); }

}  // namespace cairn::nn

#include "evaluate/attentive_probe.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adamw.h>

#include <memory>
#include <numbers>

#include "cairn/error.h"
#include "cairn/nn/block.h"
#include "cairn/nn/initialise.h"

namespace cairn {
namespace {

constexpr std::uint64_t kEpochStream = 64;  // of Stream::probe, the first of the epochs' orders
constexpr std::int64_t kHeadWidth = 64;

std::int64_t heads_for(std::int64_t width) {
  for (std::int64_t heads = std::max<std::int64_t>(1, width / kHeadWidth); heads > 1; --heads)
    if (width % heads == 0) return heads;
  return 1;
}

/// V-JEPA's attentive classifier (Bardes et al. 2024): a learned query attends once to all tokens, then a linear map.
/// The attention has no output projection; with `blocks`, V-JEPA 2's self-attention over the tokens stands before it.
class AttentiveHead : public torch::nn::Module {
 public:
  AttentiveHead(std::int64_t width, std::int64_t classes, std::int64_t heads, std::int64_t blocks) : heads_(heads) {
    nn::BlockOptions options;
    options.width = width;
    options.heads = heads;
    options.hidden = 4 * width;
    options.epsilon = 1e-5;
    if (blocks > 0) blocks_ = register_module("blocks", std::make_shared<nn::Blocks>(options, blocks));
    norm1_ = register_module("norm1", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
    norm2_ = register_module("norm2", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
    q_ = register_module("q", torch::nn::Linear(width, width));
    kv_ = register_module("kv", torch::nn::Linear(width, 2 * width));
    mlp_ = register_module("mlp", std::make_shared<nn::Mlp>(width, 4 * width));
    linear_ = register_module("linear", torch::nn::Linear(width, classes));
    query_ = register_parameter("query", at::zeros({1, 1, width}));
    nn::initialise(*this, nn::Init::jepa);
    nn::fill_normal(query_);
    const at::NoGradGuard no_grad;
    if (blocks_) nn::rescale_by_depth(*blocks_);
    mlp_->fc2->weight.div_(blocks > 0 ? std::sqrt(2.0 * static_cast<double>(blocks)) : std::numbers::sqrt2);
  }

  /// [B,T,D] to [B,C].
  at::Tensor forward(at::Tensor tokens) {
    if (blocks_) tokens = blocks_->forward(tokens);
    const std::int64_t batch = tokens.size(0), width = tokens.size(2);
    const auto split = [&](const at::Tensor& x) { return x.view({batch, x.size(1), heads_, -1}).transpose(1, 2); };
    const at::Tensor kv = kv_(norm1_(tokens));
    at::Tensor x = query_.expand({batch, 1, width});
    const at::Tensor seen = at::scaled_dot_product_attention(split(q_(x)), split(kv.narrow(2, 0, width).contiguous()),
                                                             split(kv.narrow(2, width, width).contiguous()));
    x = x + seen.transpose(1, 2).reshape({batch, 1, width});
    x = x + mlp_->forward(norm2_(x));
    return linear_(x.squeeze(1));
  }

 private:
  std::int64_t heads_;
  std::shared_ptr<nn::Blocks> blocks_;
  torch::nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
  torch::nn::Linear q_{nullptr}, kv_{nullptr}, linear_{nullptr};
  std::shared_ptr<nn::Mlp> mlp_;
  at::Tensor query_;
};

/// One head with its rates and optimizer.
struct Trainee {
  double lr, weight_decay;
  std::shared_ptr<AttentiveHead> head;
  std::unique_ptr<torch::optim::AdamW> optimizer;
};

at::Tensor guesses(AttentiveHead& head, const at::Tensor& tokens, const AttentiveProbeOptions& options) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> parts;
  for (const at::Tensor& part : tokens.split(options.batch_size))
    parts.push_back(head.forward(part.to(options.device)).argmax(1).cpu());
  return at::cat(parts);
}

std::vector<Trainee> make_heads(std::int64_t width, std::int64_t classes, const AttentiveProbeOptions& options) {
  const std::int64_t heads = options.heads > 0 ? options.heads : heads_for(width);
  if (width % heads != 0)
    throw Error(std::to_string(heads) + " heads do not divide a width of " + std::to_string(width), "attentive probe");
  std::vector<Trainee> all;
  for (const double lr : options.lrs)
    for (const double decay : options.weight_decays) {
      at::manual_seed(options.seed);
      auto head = std::make_shared<AttentiveHead>(width, classes, heads, options.blocks);
      head->to(options.device);
      auto optimizer = std::make_unique<torch::optim::AdamW>(
          head->parameters(), torch::optim::AdamWOptions(lr).weight_decay(decay).betas({0.9, 0.999}));
      all.push_back({lr, decay, std::move(head), std::move(optimizer)});
    }
  return all;
}

void fit(std::vector<Trainee>& heads, const at::Tensor& tokens, const at::Tensor& labels,
         const AttentiveProbeOptions& options) {
  const std::int64_t rows = tokens.size(0);
  const double steps = static_cast<double>(options.epochs * ((rows + options.batch_size - 1) / options.batch_size));
  double step = 0.0;
  for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    const at::Tensor order =
        at::tensor(Rng(options.seed, Stream::probe, kEpochStream + static_cast<std::uint64_t>(epoch)).permutation(rows),
                   at::kLong);
    for (const at::Tensor& part : order.split(options.batch_size)) {
      const at::Tensor x = tokens.index_select(0, part).to(options.device);
      const at::Tensor y = labels.index_select(0, part).to(options.device);
      const double factor = 0.5 * (1.0 + std::cos(std::numbers::pi * step++ / steps));
      for (Trainee& each : heads) {
        for (auto& group : each.optimizer->param_groups())
          static_cast<torch::optim::AdamWOptions&>(group.options()).lr(each.lr * factor);
        each.optimizer->zero_grad();
        at::cross_entropy_loss(each.head->forward(x), y).backward();
        each.optimizer->step();
      }
    }
  }
}

}  // namespace

AttentiveProbeResult attentive_probe(const Features& train, const Features& test, std::int64_t width,
                                     std::int64_t classes, const AttentiveProbeOptions& options) {
  check_features(train.x, train.y, "attentive probe, training part");
  check_features(test.x, test.y, "attentive probe, test part");
  if (width < 1 || train.x.size(1) % width != 0 || test.x.size(1) % width != 0)
    throw Error("token features must be [N, T*D] with D = " + std::to_string(width), "attentive probe");
  if (options.lrs.empty() || options.weight_decays.empty())
    throw Error("there is no learning rate or no weight decay to try", "attentive probe");
  const auto tokens_of = [&](const at::Tensor& x) { return x.view({x.size(0), -1, width}); };
  const std::int64_t cut = std::max<std::int64_t>(1, train.size() * 4 / 5);
  const at::Tensor order = at::tensor(Rng(options.seed, Stream::probe, 3).permutation(train.size()), at::kLong);
  const at::Tensor learn = order.narrow(0, 0, cut), judge = order.narrow(0, cut, train.size() - cut);
  std::vector<Trainee> heads = make_heads(width, classes, options);
  fit(heads, tokens_of(train.x).index_select(0, learn), train.y.index_select(0, learn), options);

  const Trainee* best = &heads.front();
  double best_share = -1.0;
  if (heads.size() > 1 && judge.numel() > 0) {
    const at::Tensor tokens = tokens_of(train.x).index_select(0, judge), truth = train.y.index_select(0, judge);
    for (const Trainee& each : heads) {
      const double share = guesses(*each.head, tokens, options).eq(truth).to(at::kDouble).mean().item<double>();
      if (share <= best_share) continue;
      best_share = share;
      best = &each;
    }
  }
  AttentiveProbeResult result;
  result.guess = guesses(*best->head, tokens_of(test.x), options);
  result.accuracy = result.guess.eq(test.y).to(at::kDouble).mean().item<double>();
  result.lr = best->lr;
  result.weight_decay = best->weight_decay;
  return result;
}

}  // namespace cairn

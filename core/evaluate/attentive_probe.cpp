#include "evaluate/attentive_probe.h"

#include <ATen/ATen.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>

#include <numbers>

#include "cairn/error.h"
#include "cairn/rng.h"

namespace cairn {
namespace {

constexpr std::uint64_t kEpochStream = 64;  // of Stream::probe, the first of the epochs' orders
constexpr std::int64_t kHeadWidth = 64;
constexpr double kEpsilon = 1e-5;  // of the layer norms, as in both papers' code

std::int64_t heads_for(std::int64_t width) {
  for (std::int64_t heads = std::max<std::int64_t>(1, width / kHeadWidth); heads > 1; --heads)
    if (width % heads == 0) return heads;
  return 1;
}

/// One head with its rates and optimizer.
struct Trainee {
  double lr, weight_decay;
  std::shared_ptr<nn::AttentiveClassifier> head;
  std::unique_ptr<torch::optim::AdamW> optimizer;
};

std::unique_ptr<torch::optim::AdamW> make_optimizer(const torch::nn::Module& head, double lr, double decay,
                                                    bool decays_all) {
  std::vector<at::Tensor> matrices, others;
  for (const at::Tensor& parameter : head.parameters())
    (decays_all || parameter.dim() > 1 ? matrices : others).push_back(parameter);
  const auto options = [&](double own) {
    return std::make_unique<torch::optim::AdamWOptions>(
        torch::optim::AdamWOptions(lr).weight_decay(own).betas({0.9, 0.999}));
  };
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(matrices, options(decay));
  if (!others.empty()) groups.emplace_back(others, options(0.0));
  return std::make_unique<torch::optim::AdamW>(groups);
}

std::vector<Trainee> make_heads(std::int64_t width, std::int64_t outputs, const AttentiveProbeOptions& options) {
  nn::AttentivePoolerOptions pooler;
  pooler.width = width;
  pooler.heads = options.heads > 0 ? options.heads : heads_for(width);
  pooler.hidden = 4 * width;
  pooler.blocks = options.blocks;
  pooler.epsilon = kEpsilon;
  std::vector<Trainee> all;
  for (const double lr : options.lrs)
    for (const double decay : options.weight_decays) {
      at::manual_seed(options.seed);
      auto head = std::make_shared<nn::AttentiveClassifier>(pooler, outputs);
      head->to(options.device);
      auto optimizer = make_optimizer(*head, lr, decay, options.decays_all);
      all.push_back({lr, decay, std::move(head), std::move(optimizer)});
    }
  return all;
}

/// One step of one head; `progress` runs from 0 to 1 over the training.
void learn(Trainee& each, const at::Tensor& x, const at::Tensor& y, double progress,
           const AttentiveProbeOptions& options) {
  const double cosine = 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  auto& groups = each.optimizer->param_groups();
  for (auto& group : groups) static_cast<torch::optim::AdamWOptions&>(group.options()).lr(each.lr * cosine);
  if (options.weight_decay_end >= 0.0) {
    const double decay = options.weight_decay_end + (each.weight_decay - options.weight_decay_end) * cosine;
    static_cast<torch::optim::AdamWOptions&>(groups.front().options()).weight_decay(decay);
  }
  each.optimizer->zero_grad();
  head_loss(options.task, each.head->forward(x), y).backward();
  if (options.clip > 0.0) torch::nn::utils::clip_grad_norm_(each.head->parameters(), options.clip);
  each.optimizer->step();
}

void fit(std::vector<Trainee>& heads, const at::Tensor& tokens, const at::Tensor& labels,
         const AttentiveProbeOptions& options) {
  const std::int64_t rows = tokens.size(0);
  const double steps = static_cast<double>(options.epochs * ((rows + options.batch_size - 1) / options.batch_size));
  double step = 0.0;
  for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    const auto stream = kEpochStream + static_cast<std::uint64_t>(epoch);
    const at::Tensor order = at::tensor(Rng(options.seed, Stream::probe, stream).permutation(rows), at::kLong);
    for (const at::Tensor& part : order.split(options.batch_size)) {
      const at::Tensor x = tokens.index_select(0, part).to(options.device);
      const at::Tensor y = labels.index_select(0, part).to(options.device);
      for (Trainee& each : heads) learn(each, x, y, step / steps, options);
      ++step;
    }
  }
}

void check(const Features& train, std::int64_t width, const AttentiveProbeOptions& options) {
  check_features(train.x, train.y, "attentive probe, training part");
  if (width < 1 || train.x.size(1) % width != 0)
    throw Error("token features must be [N, T*D] with D = " + std::to_string(width), "attentive probe");
  if (options.lrs.empty() || options.weight_decays.empty())
    throw Error("there is no learning rate or no weight decay to try", "attentive probe");
}

/// Calls `map` with parts of the tokens [B,T,D] of x [M, T*D] on the device, and joins what it makes of them.
template <class Map>
at::Tensor in_parts(const at::Tensor& x, std::int64_t width, const AttentiveProbeOptions& options, const Map& map) {
  const at::NoGradGuard no_grad;
  if (x.dim() != 2 || x.size(1) % width != 0)
    throw Error("token features must be [N, T*D] with D = " + std::to_string(width), "attentive probe");
  std::vector<at::Tensor> parts;
  for (const at::Tensor& part : x.view({x.size(0), -1, width}).split(options.batch_size))
    parts.push_back(map(part.to(options.device)).cpu());
  return at::cat(parts);
}

at::Tensor answers(nn::AttentiveClassifier& head, const at::Tensor& x, std::int64_t width,
                   const AttentiveProbeOptions& options) {
  return in_parts(x, width, options,
                  [&](const at::Tensor& tokens) { return answers_of(options.task, head.forward(tokens)); });
}

[[noreturn]] void throw_diverged() {
  throw Error("every head has diverged: its answers are not finite", "attentive probe", "lower --lr");
}

}  // namespace

AttentiveProbeOptions vjepa_recipe() {
  AttentiveProbeOptions options;
  options.lrs = {1e-3};
  options.weight_decays = {0.01};
  options.weight_decay_end = 1e-6;
  options.clip = 1.0;
  options.decays_all = false;
  return options;
}

AttentiveProbeOptions vjepa2_recipe(std::int64_t width) {
  AttentiveProbeOptions options;
  options.blocks = 3;
  options.heads = width % 16 == 0 ? 16 : 0;
  options.lrs = {5e-3, 3e-3, 1e-3, 3e-4, 1e-4};
  options.weight_decays = {0.01, 0.1, 0.4, 0.8};
  return options;
}

AttentiveProbe::AttentiveProbe(const Features& train, std::int64_t width, std::int64_t outputs,
                               const AttentiveProbeOptions& options)
    : options_(options), width_(width) {
  check(train, width, options);
  at::Tensor y = train.y;
  if (options.task == Task::values) {
    mean_ = y.mean(0);
    scale_ = y.std(0, /*unbiased=*/false).clamp_min(1e-6);
    y = (y - mean_) / scale_;
  }
  const at::Tensor tokens = train.x.view({train.size(), -1, width});
  std::vector<Trainee> heads = make_heads(width, outputs, options);
  const bool chooses = heads.size() > 1 && train.size() > 1;
  const std::int64_t cut = chooses ? std::max<std::int64_t>(1, train.size() * 4 / 5) : train.size();
  const at::Tensor order = at::tensor(Rng(options.seed, Stream::probe, 3).permutation(train.size()), at::kLong);
  const at::Tensor learnt = order.narrow(0, 0, cut), judge = order.narrow(0, cut, train.size() - cut);
  fit(heads, tokens.index_select(0, learnt), y.index_select(0, learnt), options);

  // NaN where a head has diverged.
  const auto judged = [&](const Trainee& each) {
    const at::Tensor said = answers(*each.head, train.x.index_select(0, judge), width, options);
    return at::isfinite(said).all().item<bool>() ? quality(options.task, said, y.index_select(0, judge))
                                                 : std::numeric_limits<double>::quiet_NaN();
  };
  double best = -std::numeric_limits<double>::infinity();
  for (const Trainee& each : heads) {
    const double now = chooses ? judged(each) : 0.0;
    if (!(now > best)) continue;
    best = now;
    head_ = each.head;
    lr_ = each.lr;
    weight_decay_ = each.weight_decay;
  }
  if (!head_) throw_diverged();
}

at::Tensor AttentiveProbe::operator()(const at::Tensor& x) const {
  const at::Tensor answer = answers(*head_, x, width_, options_);
  if (!at::isfinite(answer).all().item<bool>()) throw_diverged();
  return mean_.defined() ? answer * scale_ + mean_ : answer;
}

at::Tensor AttentiveProbe::attention(const at::Tensor& x) const {
  return in_parts(x, width_, options_, [this](const at::Tensor& tokens) { return head_->attention(tokens); });
}

}  // namespace cairn

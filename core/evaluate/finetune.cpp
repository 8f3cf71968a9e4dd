#include "evaluate/finetune.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adamw.h>

#include <numbers>

#include "cairn/error.h"
#include "cairn/nn/initialise.h"
#include "evaluate/features.h"

namespace cairn {
namespace {

constexpr double kWarmupShare = 0.1;
constexpr std::uint64_t kOrderStream = 128;  // of Stream::probe, the first of the epochs' orders

double rate_factor(double progress) {
  if (progress < kWarmupShare) return progress / kWarmupShare;
  return 0.5 * (1.0 + std::cos(std::numbers::pi * (progress - kWarmupShare) / (1.0 - kWarmupShare)));
}

/// Encoder and head with one optimizer.
class Tuner {
 public:
  Tuner(Branch& branch, std::int64_t classes, const FinetuneOptions& options)
      : branch_(branch), options_(options), head_(branch.encoder().width(), classes) {
    at::manual_seed(options.seed);
    {
      const at::NoGradGuard no_grad;
      nn::fill_normal(head_->weight);
      head_->bias.zero_();
    }
    head_->to(options.device);
    for (at::Tensor& parameter : branch_.parameters()) parameter.set_requires_grad(true);
    const auto rate = [&](double lr) {
      return std::make_unique<torch::optim::AdamWOptions>(
          torch::optim::AdamWOptions(lr).weight_decay(options.weight_decay));
    };
    optimizer_ = std::make_unique<torch::optim::AdamW>(std::vector<torch::optim::OptimizerParamGroup>{
        {branch_.parameters(), rate(options.lr * options.encoder_factor)}, {head_->parameters(), rate(options.lr)}});
  }

  void learn(const Batch& batch, double progress) {
    const at::Tensor rows = batch.label.ge(0).nonzero().flatten();
    if (rows.numel() == 0) return;
    branch_.train();
    const double factor = rate_factor(progress);
    auto& groups = optimizer_->param_groups();
    set_rate(groups[0], options_.lr * options_.encoder_factor * factor);
    set_rate(groups[1], options_.lr * factor);
    optimizer_->zero_grad();
    const at::Tensor scores = head_(branch_.embed(batch.views.front()).to(at::kFloat));
    const at::Tensor labels = batch.label.index_select(0, rows).to(options_.device);
    at::cross_entropy_loss(scores.index_select(0, rows.to(options_.device)), labels).backward();
    optimizer_->step();
  }

  at::Tensor guess(const Batch& batch) {
    const at::NoGradGuard no_grad;
    branch_.eval();
    return head_(branch_.embed(batch.views.front()).to(at::kFloat)).argmax(1).cpu();
  }

 private:
  static void set_rate(torch::optim::OptimizerParamGroup& group, double lr) {
    static_cast<torch::optim::AdamWOptions&>(group.options()).lr(lr);
  }

  Branch& branch_;
  const FinetuneOptions& options_;
  torch::nn::Linear head_;
  std::unique_ptr<torch::optim::AdamW> optimizer_;
};

}  // namespace

FinetuneResult finetune(const Modality& modality, Branch& branch, const std::vector<std::int64_t>& train,
                        const std::vector<std::int64_t>& test, std::int64_t classes, const FinetuneOptions& options) {
  const auto source = modality.open(Split::train, Purpose::pretrain),
             judge = modality.open(Split::test, Purpose::evaluate);
  if (!source || !judge || train.empty() || test.empty())
    throw Error("fine-tuning needs a training and a test part with samples", "finetune");
  Tuner tuner(branch, classes, options);
  const auto rows = static_cast<std::int64_t>(train.size());
  const double batches = static_cast<double>((rows + options.batch_size - 1) / options.batch_size);
  double step = 0.0;
  for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    const auto round = static_cast<std::uint64_t>(epoch);
    std::vector<std::int64_t> shuffled;
    for (const std::int64_t i : Rng(options.seed, Stream::probe, kOrderStream + round).permutation(rows))
      shuffled.push_back(train[static_cast<std::size_t>(i)]);
    SampleReader reader(modality, *source, shuffled, options.batch_size, options.seed, 0, {Purpose::pretrain, round});
    reader.visit(options.device, options.workers, [&](const Batch& batch, std::span<const std::int64_t>) {
      tuner.learn(batch, step++ / (batches * static_cast<double>(options.epochs)));
    });
  }
  std::vector<at::Tensor> guesses, labels;
  SampleReader reader(modality, *judge, test, options.batch_size, options.seed);
  reader.visit(options.device, options.workers, [&](const Batch& batch, std::span<const std::int64_t>) {
    guesses.push_back(tuner.guess(batch));
    labels.push_back(batch.label.cpu());
  });
  if (guesses.empty()) throw Error("no test sample could be read", "finetune");
  const at::Tensor truth = at::cat(labels), guess = at::cat(guesses), known = truth.ge(0).nonzero().flatten();
  if (known.numel() == 0) throw Error("the test samples carry no labels", "finetune");
  FinetuneResult result{0.0, guess.index_select(0, known), truth.index_select(0, known)};
  result.accuracy = result.guess.eq(result.truth).to(at::kDouble).mean().item<double>();
  return result;
}

}  // namespace cairn

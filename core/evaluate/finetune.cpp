#include "evaluate/finetune.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adamw.h>

#include <numbers>
#include <span>

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

void check_finite(const at::Tensor& x, const char* what) {
  if (!at::isfinite(x).all().item<bool>())
    throw Error(fmt::format("the {} is not finite", what), "finetune",
                "lower --lr; where the weights themselves are not finite, choose an earlier checkpoint");
}

/// Encoder and head with one optimizer.
class Tuner {
 public:
  Tuner(Branch& branch, std::int64_t outputs, const FinetuneOptions& options)
      : branch_(branch), options_(options), head_(branch.encoder().width(), outputs) {
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

  /// False where no sample of the batch has a label.
  bool learn(const Batch& batch, const at::Tensor& labels, double progress) {
    const at::Tensor rows = known_rows(labels);
    if (rows.numel() == 0) return false;
    branch_.train();
    const double factor = rate_factor(progress);
    auto& groups = optimizer_->param_groups();
    set_rate(groups[0], options_.lr * options_.encoder_factor * factor);
    set_rate(groups[1], options_.lr * factor);
    optimizer_->zero_grad();
    const at::Tensor scores = head_(branch_.embed(batch.views.front()).to(at::kFloat));
    const at::Tensor wanted = labels.index_select(0, rows).to(options_.device);
    const at::Tensor loss = head_loss(options_.task, scores.index_select(0, rows.to(options_.device)), wanted);
    check_finite(loss, "loss");
    loss.backward();
    optimizer_->step();
    return true;
  }

  /// [B,C], the mean over views of the same samples.
  at::Tensor answer(std::span<const View> views) {
    at::Tensor sum;
    for (const View& view : views) sum = sum.defined() ? sum + answer(view) : answer(view);
    return sum / static_cast<double>(views.size());
  }

 private:
  at::Tensor answer(const View& view) {
    const at::NoGradGuard no_grad;
    branch_.eval();
    const at::Tensor answers = answers_of(options_.task, head_(branch_.embed(view).to(at::kFloat))).cpu();
    check_finite(answers, "answer");
    return answers;
  }

  static void set_rate(torch::optim::OptimizerParamGroup& group, double lr) {
    static_cast<torch::optim::AdamWOptions&>(group.options()).lr(lr);
  }

  Branch& branch_;
  const FinetuneOptions& options_;
  torch::nn::Linear head_;
  std::unique_ptr<torch::optim::AdamW> optimizer_;
};

/// Trains `tuner` through all epochs; the samples that could not be read.
std::vector<BadSample> learn(Tuner& tuner, const Modality& modality, const FinetuneData& data,
                             const FinetuneOptions& options) {
  const auto source = modality.open(Split::train, Purpose::pretrain);
  if (!source || data.samples.empty()) throw Error("there is no training part with samples", "finetune");
  const auto rows = static_cast<std::int64_t>(data.samples.size());
  const std::int64_t batches = (rows + options.batch_size - 1) / options.batch_size;
  std::vector<BadSample> bad;
  std::int64_t learnt = 0;
  double step = 0.0;
  for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    const auto round = static_cast<std::uint64_t>(epoch);
    std::vector<std::int64_t> shuffled;
    for (const std::int64_t i : Rng(options.seed, Stream::probe, kOrderStream + round).permutation(rows))
      shuffled.push_back(data.samples[static_cast<std::size_t>(i)]);
    SampleReader reader(modality, *source, shuffled, options.batch_size, options.seed, 0, {Purpose::pretrain, round});
    reader.visit(options.device, options.workers, [&](const Batch& batch, std::span<const std::int64_t> index) {
      const double progress = step++ / static_cast<double>(batches * options.epochs);
      learnt += tuner.learn(batch, data.labels(batch, index), progress) ? 1 : 0;
    });
    if (learnt == 0) throw Error("no labelled training sample could be read", "finetune");
    bad = reader.bad();
  }
  return bad;
}

/// Answers and truth of the labelled test samples, the mean over their views.
FinetuneResult judge(Tuner& tuner, const Modality& modality, const FinetuneData& data, const FinetuneOptions& options) {
  const Purpose looks = options.views > 0 ? Purpose::pretrain : Purpose::evaluate;
  const auto source = modality.open(Split::test, looks);
  if (!source || data.samples.empty()) throw Error("there is no test part with samples", "finetune");
  at::Tensor sum, truth;
  std::vector<BadSample> bad;
  std::vector<std::int64_t> first;  // the samples that the first round read
  const std::int64_t rounds = std::max<std::int64_t>(1, options.views);
  for (std::int64_t round = 0; round < rounds; ++round) {
    std::vector<at::Tensor> answers, labels;
    std::vector<std::int64_t> read;
    SampleReader reader(modality, *source, data.samples, options.batch_size, options.seed, 0,
                        {looks, static_cast<std::uint64_t>(round)});
    reader.visit(options.device, options.workers, [&](const Batch& batch, std::span<const std::int64_t> index) {
      // Drawn views come one by one, plain ones all at once.
      answers.push_back(tuner.answer(std::span(batch.views).first(options.views > 0 ? 1 : batch.views.size())));
      labels.push_back(data.labels(batch, index));
      read.insert(read.end(), index.begin(), index.end());
    });
    if (round == 0) first = read;
    if (read != first)
      throw Error("the views of the test samples are not of the same samples", "finetune", "leave out --views");
    if (answers.empty()) throw Error("no test sample could be read", "finetune");
    sum = sum.defined() ? sum + at::cat(answers) : at::cat(answers);
    truth = at::cat(labels);
    bad = reader.bad();
  }
  const at::Tensor known = known_rows(truth);
  if (known.numel() == 0) throw Error("the test samples carry no labels", "finetune");
  return {sum.index_select(0, known) / static_cast<double>(rounds), truth.index_select(0, known), {}, std::move(bad)};
}

}  // namespace

FinetuneResult finetune(const Modality& modality, Branch& branch, const FinetuneData& train, const FinetuneData& test,
                        std::int64_t outputs, const FinetuneOptions& options) {
  Tuner tuner(branch, outputs, options);
  std::vector<BadSample> bad = learn(tuner, modality, train, options);
  FinetuneResult result = judge(tuner, modality, test, options);
  result.bad_train = std::move(bad);
  return result;
}

}  // namespace cairn

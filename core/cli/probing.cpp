#include "cli/probing.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <iostream>

#include "cairn/error.h"
#include "evaluate/embedding.h"
#include "evaluate/finetune.h"
#include "evaluate/folds.h"
#include "evaluate/knn.h"
#include "evaluate/linear_probe.h"
#include "evaluate/ridge_probe.h"

namespace cairn::cli {
namespace {

at::Tensor mean_answer(const Answer& answer, const ViewFeatures& views) {
  at::Tensor sum = answer(views.front().x);
  for (std::size_t i = 1; i < views.size(); ++i) sum = sum + answer(views[i].x);
  return sum / static_cast<double>(views.size());
}

}  // namespace

ProbeOutcome Probing::run(std::uint64_t seed) {
  if (arguments_.kind == "finetune") return tune(seed);
  const bool tokens = arguments_.kind == "attentive";
  if (features_train_.size() == 0) {
    features_train_ = data_.train_features(tokens);
    features_test_ = data_.test_features(tokens);
    classes_ = close_gaps(features_train_, features_test_.front(), data_.classes());
  }
  if (arguments_.folds > 0) return cross_validate(seed);
  const Features train = arguments_.low_shot > 0.0 ? few(features_train_, seed) : features_train_;
  ProbeOutcome outcome;
  outcome.truth = features_test_.front().y;
  outcome.boxes = data_.boxes();
  outcome.facts = {{"train", train.size()}, {"width", data_.width()}};
  outcome.answers = mean_answer(learn(train, seed, outcome.facts), features_test_);
  return outcome;
}

ProbeOutcome Probing::cross_validate(std::uint64_t seed) const {
  if (features_test_.size() > 1)
    throw ConfigError("--folds", "cross-validation looks at one view of a sample, and there are several",
                      "leave out --views, modality.evaluate_clips and modality.evaluate_crops");
  const Features all = join(features_train_, features_test_.front());
  const std::vector<std::int64_t> fold_of = draw_folds(all, arguments_.folds, seed);
  ProbeOutcome outcome;
  outcome.truth = all.y;
  outcome.facts = {{"folds", arguments_.folds}, {"width", data_.width()}};
  std::vector<at::Tensor> answers, order;
  for (std::int64_t fold = 0; fold < arguments_.folds; ++fold) {
    std::vector<std::int64_t> kept, others;
    for (std::size_t row = 0; row < fold_of.size(); ++row)
      (fold_of[row] == fold ? kept : others).push_back(static_cast<std::int64_t>(row));
    if (kept.empty()) throw ConfigError("--folds", "there are fewer samples than folds", "ask for fewer folds");
    const Answer answer = learn(select_rows(all, others), seed, outcome.facts);
    answers.push_back(answer(select_rows(all, kept).x));
    order.push_back(at::tensor(kept, at::kLong));
  }
  outcome.answers = at::cat(answers).index_select(0, at::cat(order).argsort());
  return outcome;
}

Answer Probing::learn(const Features& train, std::uint64_t seed, nlohmann::ordered_json& facts) const {
  if (arguments_.kind == "knn") {
    const KnnOptions options{
        .neighbours = arguments_.neighbours > 0 ? arguments_.neighbours : subject_.evaluate.neighbours,
        .device = device_};
    facts["neighbours"] = options.neighbours;
    return [=, classes = classes_](const at::Tensor& x) { return knn_votes(train.x, train.y, x, classes, options); };
  }
  if (arguments_.kind == "attentive") {
    const auto head = std::make_shared<AttentiveProbe>(train, data_.width(), classes_, attentive(seed));
    facts["lr"] = head->lr();
    facts["weight_decay"] = head->weight_decay();
    facts["blocks"] = attentive(seed).blocks;
    return [head](const at::Tensor& x) { return (*head)(x); };
  }
  if (arguments_.task == Task::values) {
    const auto head = std::make_shared<RidgeProbe>(train, RidgeProbeOptions{.seed = seed});
    facts["penalty"] = head->penalty();
    return [head](const at::Tensor& x) { return (*head)(x); };
  }
  const auto head = std::make_shared<LinearProbe>(train, classes_, LinearProbeOptions{.seed = seed});
  facts["c"] = head->c();
  return [head](const at::Tensor& x) { return (*head)(x); };
}

AttentiveProbeOptions Probing::attentive(std::uint64_t seed) const {
  AttentiveProbeOptions options;
  if (arguments_.recipe == "vjepa") options = vjepa_recipe();
  if (arguments_.recipe == "vjepa2") options = vjepa2_recipe(data_.width());
  options.task = arguments_.task;
  if (arguments_.blocks >= 0) options.blocks = arguments_.blocks;
  if (arguments_.epochs > 0) options.epochs = arguments_.epochs;
  if (!arguments_.lrs.empty()) options.lrs = arguments_.lrs;
  if (!arguments_.weight_decays.empty()) options.weight_decays = arguments_.weight_decays;
  options.seed = seed;
  options.device = device_;
  return options;
}

Features Probing::few(const Features& all, std::uint64_t seed) const {
  const std::int64_t short_of = short_classes(all, arguments_.low_shot);
  if (seed == 0 && short_of > 0)
    std::cerr << fmt::format("--low-shot {:g}: classes with fewer samples, which give all they have: {}\n",
                             arguments_.low_shot, short_of);
  return low_shot(all, arguments_.low_shot, seed);
}

std::vector<std::int64_t> Probing::tuned_on(std::uint64_t seed) {
  const ProbeData::Part& part = data_.train();
  if (arguments_.low_shot <= 0.0) return part.chosen;
  SampleReader reader(*subject_.modality, *part.source, part.chosen, subject_.evaluate.batch_size, subject_.seed);
  const Embed nothing = [](const View& view) { return at::zeros({view.data.size(0), 1}); };
  const Features all = reader.collect(nothing, device_, subject_.train.workers, data_.labels(*part.source));
  data_.tell_bad(reader.bad(), part);
  return few(labelled(all), seed).index;
}

ProbeOutcome Probing::tune(std::uint64_t seed) {
  const NamedTensors state = named_state({{"", subject_.branch}});
  if (weights_.empty())
    for (const auto& [name, tensor] : state) weights_[name] = tensor.clone();
  load_named_state(state, weights_, subject_.origin);
  const std::vector<std::int64_t> chosen = tuned_on(seed);
  FinetuneOptions options;
  options.task = arguments_.task;
  options.views = arguments_.views;
  if (arguments_.epochs > 0) options.epochs = arguments_.epochs;
  if (!arguments_.lrs.empty()) options.lr = arguments_.lrs.front();
  if (!arguments_.weight_decays.empty()) options.weight_decay = arguments_.weight_decays.front();
  options.seed = seed;
  options.workers = subject_.train.workers;
  options.device = device_;
  const FinetuneResult r =
      finetune(*subject_.modality, *subject_.branch, {chosen, data_.labels(*data_.train().source)},
               {data_.test().chosen, data_.labels(*data_.test().source)}, data_.classes(), options);
  data_.tell_bad(r.bad_train, data_.train());
  data_.tell_bad(r.bad_test, data_.test());
  return {r.answers,
          r.truth,
          {{"train", chosen.size()},
           {"epochs", options.epochs},
           {"lr", options.lr},
           {"weight_decay", options.weight_decay}}};
}

}  // namespace cairn::cli

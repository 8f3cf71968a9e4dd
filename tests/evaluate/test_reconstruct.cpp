#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "evaluate/energy.h"
#include "evaluate/reconstruct.h"
#include "support/toy.h"

namespace {

using namespace cairn;
using namespace cairn::test;

constexpr std::int64_t kWidth = 8;

class ToyEncoder : public Encoder {
 public:
  ToyEncoder() : map_(register_module("map", torch::nn::Linear(4, kWidth))) {}
  Encoded encode(const View& view, const Look&) override {
    const at::Tensor tokens = map_(ToyModality().patches(view));
    return {tokens, tokens.mean(1), {}};
  }
  std::int64_t width() const override { return kWidth; }
  std::int64_t depth() const override { return 1; }

 private:
  torch::nn::Linear map_;
};

/// Answers 2 n + 1 for token n.
class Counting : public Predictor {
 public:
  at::Tensor predict(const Question& question) override {
    REQUIRE_FALSE(is_training());
    const at::Tensor number =
        question.asked_at.all() ? at::arange(4).expand({question.seen.tokens.size(0), -1}) : question.asked_at.index;
    return (2.0 * number + 1.0).to(at::kFloat).unsqueeze(-1).expand({-1, -1, 4});
  }
};

/// Asks for twice the input and one.
class Doubled : public Objective {
 public:
  explicit Doubled(Source source) : source_(source) {}
  TargetSpec target() const override { return {source_, Level::tokens, {}, 0, 1}; }
  at::Tensor refine(const at::Tensor& target) override { return 2.0 * target + 1.0; }
  at::Tensor restore(const at::Tensor& prediction, const at::Tensor&) const override {
    return (prediction - 1.0) / 2.0;
  }
  LossReport evaluate(const StepView& step) override { return {step.pairs.front().prediction.mean(), {}}; }

 private:
  Source source_;
};

Composition compose(Source source) {
  Experiment experiment;
  experiment.modality = {"toy.data", {}, "modality"};
  experiment.masker = {"toy.mask", {}, "masker"};
  experiment.encoder = {"toy.map", {}, "encoder"};
  experiment.predictor = ComponentSettings{"toy.guess", {}, "predictor"};
  experiment.objectives = {ObjectiveSettings{{"toy.loss", {}, "objective[0]"}, 1.0}};
  experiment.train.steps = 1;
  experiment.train.batch_size = 2;
  std::map<ComponentKind, Component> components;
  components[ComponentKind::modality].factory =
      ModalityFactory([](const auto&) { return std::make_shared<ToyModality>(); });
  components[ComponentKind::masker].factory = MaskerFactory([](const auto&) { return std::make_shared<ToyMasker>(); });
  components[ComponentKind::encoder].factory =
      EncoderFactory([](const auto&, const auto&) { return std::make_shared<ToyEncoder>(); });
  components[ComponentKind::predictor].factory =
      PredictorFactory([](const auto&, const auto&) { return std::make_shared<Counting>(); });
  components[ComponentKind::objective].factory =
      ObjectiveFactory([source](const auto&, const auto&) { return std::make_shared<Doubled>(source); });
  return Composition(experiment,
                     [&](ComponentKind kind, const std::string&) -> const Component& { return components.at(kind); });
}

Batch toy_batch() {
  Batch batch;
  batch.views.push_back({at::rand({2, 1, 4, 4}) + 10.0, ToyModality().tokenizer().grid({4, 4}), ViewRole::global});
  batch.sample_id = at::arange(2);
  return batch;
}

TokenSet ids(std::vector<std::int64_t> first, std::vector<std::int64_t> second) {
  return {at::stack({at::tensor(first, at::kLong), at::tensor(second, at::kLong)})};
}

/// Token `n` of row `row`, a square of 2 x 2.
at::Tensor token(const at::Tensor& data, std::int64_t row, std::int64_t n) {
  return data[row][0].narrow(0, n / 2 * 2, 2).narrow(1, n % 2 * 2, 2);
}

TEST_CASE("seen tokens stay, predicted ones stand at their place in the input's units, the rest is blank") {
  Composition parts = compose(Source::input);
  for (const auto& [name, module] : parts.student_modules()) module->train();
  const Batch batch = toy_batch();
  const at::Tensor& data = batch.views[0].data;
  const Plan plan{{{0, ids({0}, {3}), {}}}, {{0, 0, ids({2, 1}, {0, 1})}}};
  const auto made = reconstruct(parts, batch, plan, {});
  REQUIRE(made.size() == 1);
  const at::Tensor &seen = made[0].seen, &filled = made[0].filled;
  REQUIRE(seen.sizes() == data.sizes());
  CHECK(at::equal(token(seen, 0, 0), token(data, 0, 0)));
  CHECK(at::equal(token(seen, 1, 3), token(data, 1, 3)));
  for (const std::int64_t n : {1, 2, 3}) CHECK(at::allclose(token(seen, 0, n), data[0].mean()));
  CHECK(at::equal(token(filled, 0, 0), token(data, 0, 0)));
  for (const std::int64_t n : {1, 2}) CHECK((token(filled, 0, n) == static_cast<double>(n)).all().item<bool>());
  for (const std::int64_t n : {0, 1}) CHECK((token(filled, 1, n) == static_cast<double>(n)).all().item<bool>());
  CHECK(at::allclose(token(filled, 0, 3), data[0].mean()));
  CHECK(parts.predictor->is_training());
}

TEST_CASE("masked tokens are not seen, and each context is reconstructed on its own") {
  Composition parts = compose(Source::input);
  const Batch batch = toy_batch();
  const Plan plan{{{0, {}, ids({1}, {2})}, {0, ids({0}, {0}), {}}},
                  {{0, 0, ids({1}, {2})}, {1, 0, ids({3}, {3})}, {1, 0, ids({1}, {1})}}};
  const auto made = reconstruct(parts, batch, plan, {});
  REQUIRE(made.size() == 2);
  CHECK(made[0].context == 0);
  CHECK(made[1].context == 1);
  CHECK(at::equal(token(made[0].filled, 0, 3), token(batch.views[0].data, 0, 3)));
  CHECK(at::allclose(token(made[0].seen, 0, 1), batch.views[0].data[0].mean()));
  CHECK((token(made[0].filled, 0, 1) == 1.0).all().item<bool>());
  CHECK((token(made[1].filled, 0, 3) == 3.0).all().item<bool>());
  CHECK((token(made[1].filled, 0, 1) == 1.0).all().item<bool>());
}

TEST_CASE("targets that are features cannot be shown") {
  Composition parts = compose(Source::student_detached);
  const Plan plan{{{0, ids({0}, {3}), {}}}, {{0, 0, ids({2}, {1})}}};
  CHECK_THROWS_WITH(reconstruct(parts, toy_batch(), plan, {}), Catch::Contains("nothing to reconstruct"));
}

TEST_CASE("energy is the mean squared error of the answers, by token and by sample") {
  for (const Source source : {Source::input, Source::student_detached}) CHECK(has_energy(compose(source)));
  CHECK_FALSE(has_energy(compose(Source::none)));
  Composition parts = compose(Source::input);
  for (const auto& [name, module] : parts.student_modules()) module->train();
  Batch batch = toy_batch();
  for (std::int64_t row = 0; row < 2; ++row)  // the predictor expects n of token n: right for the first sample
    for (std::int64_t n = 0; n < 4; ++n) token(batch.views[0].data, row, n).fill_(static_cast<double>(n + row));
  const Energy energy = measure_energy(parts, batch, {.plans = 16});
  CHECK(energy.of_sample.allclose(at::tensor({0.0F, 4.0F})));
  CHECK(energy.of_token.allclose(at::tensor({0.0F, 4.0F}).unsqueeze(1).expand({2, 4})));
  CHECK(energy.expected.select(2, 0).allclose(at::tensor({1.0F, 3.0F, 5.0F, 7.0F}).expand({2, 4})));
  CHECK(parts.predictor->is_training());
  const Energy one = measure_energy(parts, batch, {.plans = 1});
  CHECK(at::isnan(one.of_token).sum().item<std::int64_t>() == 4);
  CHECK(one.of_sample.allclose(energy.of_sample));
  Composition none = compose(Source::none);
  CHECK_THROWS_WITH(measure_energy(none, batch, {}), Catch::Contains("no energy"));
}

TEST_CASE("retrieval finds the real tokens of other samples that are nearest to what was expected") {
  Energy energy;
  energy.of_token = at::zeros({2, 2});
  energy.of_token[0][1] = std::numeric_limits<float>::quiet_NaN();
  energy.target = at::tensor({1.0F, 0.0F, 0.9F, 0.1F, 0.0F, 1.0F, 0.8F, 0.3F}).view({2, 2, 2});
  energy.expected = energy.target.clone();
  const auto found = retrieve(energy, {0, 0}, 5);
  REQUIRE(found.size() == 2);
  CHECK(found[0].row == 1);
  CHECK(found[0].token == 1);
  CHECK(found[1].token == 0);
  CHECK_THROWS_WITH(retrieve(energy, {0, 1}, 1), Catch::Contains("no plan asked"));
}

}  // namespace

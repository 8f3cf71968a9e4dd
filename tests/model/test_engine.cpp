#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "model/engine.h"
#include "model/named_state.h"
#include "support/toy.h"

using namespace cairn;
using namespace cairn::test;

namespace {

constexpr std::int64_t kWidth = 8;

/// What a toy network can do.
struct Abilities {
  bool hide = true, pack = false;
};

/// A linear map of each patch; counts its forward passes.
class ToyEncoder : public Encoder {
 public:
  explicit ToyEncoder(Abilities abilities = {})
      : abilities_(abilities), map_(register_module("map", torch::nn::Linear(4, kWidth))) {}
  Encoded encode(const View& view, const Look& look) override {
    ++passes;
    most_seen = std::max(most_seen, look.visible.all() ? view.grid.count() : look.visible.index.size(1));
    at::Tensor tokens = map_(ToyModality().patches(view));
    if (!look.visible.all()) tokens = tokens.gather(1, look.visible.index.unsqueeze(-1).expand({-1, -1, kWidth}));
    return {tokens, tokens.mean(1), {}};
  }
  std::int64_t width() const override { return kWidth; }
  std::int64_t depth() const override { return 1; }
  bool can_hide_tokens() const override { return abilities_.hide; }
  bool can_pack() const override { return abilities_.pack; }

  int passes = 0;
  std::int64_t most_seen = 0;

 private:
  Abilities abilities_;
  torch::nn::Linear map_;
};

class ToyPredictor : public Predictor {
 public:
  explicit ToyPredictor(std::int64_t width, Abilities abilities = {})
      : abilities_(abilities), map_(register_module("map", torch::nn::Linear(kWidth, width))) {}
  at::Tensor predict(const Question& question) override {
    ++passes;
    lengths = question.seen_at.lengths;
    const std::int64_t asked = question.asked_at.all() ? question.asked_grid.count() : question.asked_at.index.size(1);
    return map_(question.seen.tokens.mean(1, true)).expand({-1, asked, -1}) * (1 + question.group);
  }
  bool can_pack() const override { return abilities_.pack; }

  int passes = 0;
  std::vector<std::int64_t> lengths;  // of the last question

 private:
  Abilities abilities_;
  torch::nn::Linear map_;
};

class ThrowingPredictor : public Predictor {
 public:
  at::Tensor predict(const Question&) override { throw std::runtime_error("no answer"); }
};

class ThrowingProjector : public Projector {
 public:
  at::Tensor project(const at::Tensor&) override { throw std::runtime_error("one sample is too few"); }
  std::int64_t width() const override { return kWidth; }
};

/// Two whole views, each asked about the other.
class CrossMasker : public Masker {
 public:
  Plan plan(std::span<const ViewLayout>, std::int64_t, const Progress&, Rng&) const override {
    return {{{0, {}, {}}, {1, {}, {}}}, {{0, 1, {}, Level::pooled, 0}, {1, 0, {}, Level::pooled, 0}}};
  }
};

/// One context, of which the first row sees one token less.
class PackingMasker : public Masker {
 public:
  Plan plan(std::span<const ViewLayout>, std::int64_t batch, const Progress&, Rng&) const override {
    Context context{0, {at::tensor({0, 1}, at::kLong).unsqueeze(0).repeat({batch, 1})}, {}};
    context.visible.index[0].fill_(0);
    context.visible.lengths.assign(static_cast<std::size_t>(batch), 2);
    context.visible.lengths.front() = 1;
    return {{context}, {{0, 0, {at::full({batch, 1}, 3, at::kLong)}, Level::tokens, 0}}};
  }
};

/// The same, and two tokens of each view, which its own context sees.
class BothLevelsMasker : public Masker {
 public:
  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress& progress, Rng& rng) const override {
    Plan plan = CrossMasker().plan(views, batch, progress, rng);
    const at::Tensor asked = at::tensor({1, 2}, at::kLong).unsqueeze(0).repeat({batch, 1});
    for (const int view : {0, 1}) {
      plan.contexts[static_cast<std::size_t>(view)].masked = {asked};
      plan.queries.push_back({view, view, {asked}, Level::tokens, 0});
    }
    return plan;
  }
};

/// A linear map that notes how many rows each of its passes had.
class ToyProjector : public Projector {
 public:
  static constexpr std::int64_t kOut = 3;
  ToyProjector() : map_(register_module("map", torch::nn::Linear(kWidth, kOut))) {}
  at::Tensor project(const at::Tensor& pooled) override {
    rows.push_back(pooled.size(0));
    return map_(pooled);
  }
  std::int64_t width() const override { return kOut; }
  std::vector<std::int64_t> rows;

 private:
  torch::nn::Linear map_;
};

class ToyObjective : public Objective {
 public:
  explicit ToyObjective(TargetSpec spec) : spec_(std::move(spec)) {}
  TargetSpec target() const override { return spec_; }
  LossReport evaluate(const StepView& step) override {
    at::Tensor total;
    for (const Pair& pair : step.pairs) {
      if (pair.target.defined()) target_gradient = pair.target.requires_grad();
      const at::Tensor loss = (pair.prediction - (pair.target.defined() ? pair.target : at::zeros({}))).square().mean();
      total = total.defined() ? total + loss : loss;
    }
    return {total, {{"pairs", at::tensor(static_cast<double>(step.pairs.size()))}}};
  }
  void settle(const StepView& step) override {
    settled_pairs = step.pairs.size();
    settled_contexts = step.contexts.size();
  }
  bool target_gradient = false;
  std::size_t settled_pairs = 0, settled_contexts = 0;

 private:
  TargetSpec spec_;
};

/// Everything an experiment needs, without any plugin.
struct World {
  Experiment experiment;
  Component modality, masker, encoder, projector, predictor, objective;
  TargetSpec spec;
  Abilities encodes, predicts;  // of networks that are made from here on

  explicit World(TargetSpec target = {}) : spec(std::move(target)) {
    experiment.modality = {"toy.data", {}, "modality"};
    experiment.masker = {"toy.mask", {}, "masker"};
    experiment.encoder = {"toy.map", {}, "encoder"};
    experiment.predictor = ComponentSettings{"toy.guess", {}, "predictor"};
    experiment.objectives = {ObjectiveSettings{{"toy.loss", {}, "objective[0]"}, 2.0}};
    experiment.train.steps = 1;
    experiment.train.batch_size = 4;
    modality.factory = ModalityFactory([](const auto&) { return std::make_shared<ToyModality>(); });
    masker.factory = MaskerFactory([](const auto&) { return std::make_shared<ToyMasker>(); });
    encoder.factory =
        EncoderFactory([this](const auto&, const auto&) { return std::make_shared<ToyEncoder>(encodes); });
    predictor.factory = PredictorFactory([this](const auto&, const PredictorSetting& s) {
      return std::make_shared<ToyPredictor>(s.output_width, predicts);
    });
    objective.factory =
        ObjectiveFactory([this](const auto&, const auto&) { return std::make_shared<ToyObjective>(spec); });
  }

  Composition compose() {
    return Composition(experiment, [this](ComponentKind kind, const std::string&) -> const Component& {
      switch (kind) {
        case ComponentKind::modality:
          return modality;
        case ComponentKind::masker:
          return masker;
        case ComponentKind::encoder:
          return encoder;
        case ComponentKind::projector:
          return projector;
        case ComponentKind::predictor:
          return predictor;
        default:
          return objective;
      }
    });
  }
};

Batch toy_batch(std::int64_t size) {
  const ToyModality modality;
  const auto source = modality.open(Split::train, Purpose::pretrain);
  std::vector<Sample> samples;
  for (std::int64_t i = 0; i < size; ++i) {
    Rng rng(1, Stream::load, 0, static_cast<std::uint64_t>(i));
    samples.push_back(source->load(i, rng));
  }
  return modality.collate(samples, Purpose::pretrain);
}

TokenSet same_ids(std::vector<std::int64_t> row, std::int64_t batch) {
  return {at::tensor(row, at::kLong).unsqueeze(0).repeat({batch, 1})};
}

}  // namespace

TEST_CASE("contexts and queries of equal shape run as one batch, and give what single ones give", "[engine]") {
  World world;
  Composition parts = world.compose();
  Engine engine(parts);
  const Batch batch = toy_batch(4);
  const Plan both{{{0, same_ids({0, 1}, 4), {}}, {0, same_ids({2, 3}, 4), {}}},
                  {{0, 0, same_ids({2, 3}, 4)}, {1, 0, same_ids({0, 1}, 4)}, {0, 0, same_ids({3}, 4)}}};
  auto& encoder = dynamic_cast<ToyEncoder&>(parts.student->encoder());
  auto& predictor = dynamic_cast<ToyPredictor&>(*parts.predictor);
  const int before = encoder.passes;
  const Pass pass = engine.run(batch, both, {});
  REQUIRE(encoder.passes == before + 1);
  REQUIRE(predictor.passes == 2);
  for (std::size_t q = 0; q < both.queries.size(); ++q) {
    Plan single{{both.contexts[static_cast<std::size_t>(both.queries[q].context)]}, {both.queries[q]}};
    single.queries[0].context = 0;
    const Pass alone = engine.run(batch, single, {});
    REQUIRE(at::allclose(alone.pairs[0][0].prediction, pass.pairs[0][q].prediction));
    REQUIRE(at::equal(alone.pairs[0][0].target, pass.pairs[0][q].target));
  }
}

TEST_CASE("packed contexts keep their lengths, and run apart from full ones", "[engine]") {
  World world;
  Rng rng(0, Stream::plan);
  Plan plan = PackingMasker().plan({}, 4, {}, rng);
  plan.contexts.push_back(plan.contexts.front());
  plan.queries.push_back(plan.queries.front());
  plan.queries.back().context = 1;
  const auto run = [&] {
    Composition parts = world.compose();
    Engine(parts).run(toy_batch(4), plan, {});
  };
  CHECK_THROWS_WITH(run(), Catch::Contains("unequal length came to toy.map"));
  world.encodes.pack = true;
  CHECK_THROWS_WITH(run(), Catch::Contains("unequal length came to toy.guess"));
  world.predicts.pack = true;
  Composition parts = world.compose();
  auto& predictor = dynamic_cast<ToyPredictor&>(*parts.predictor);
  auto& encoder = dynamic_cast<ToyEncoder&>(parts.student->encoder());
  Engine(parts).run(toy_batch(4), plan, {});
  CHECK(predictor.lengths == std::vector<std::int64_t>{1, 2, 2, 2, 1, 2, 2, 2});
  plan.contexts.back().visible.lengths.clear();
  const int before = encoder.passes;
  Engine(parts).run(toy_batch(4), plan, {});
  CHECK(encoder.passes == before + 2);
}

TEST_CASE("a teacher starts equal, carries no gradient and gets none; weights scale the loss", "[engine]") {
  World world;
  Composition parts = world.compose();
  REQUIRE(parts.teacher);
  const auto student = named_state({{"", parts.student}}), teacher = named_state({{"", parts.teacher}});
  for (const auto& [name, tensor] : student) REQUIRE(at::equal(tensor, teacher.at(name)));
  Engine engine(parts);
  const Batch batch = toy_batch(4);
  const Plan plan{{{0, same_ids({0, 1}, 4), {}}}, {{0, 0, same_ids({2, 3}, 4)}}};
  const Pass pass = engine.run(batch, plan, {});
  REQUIRE_FALSE(dynamic_cast<ToyObjective&>(*parts.objectives[0].objective).target_gradient);
  const Pair& pair = pass.pairs[0][0];
  REQUIRE(pass.report.total.item<double>() ==
          Approx(2 * (pair.prediction - pair.target).square().mean().item<double>()));
  pass.report.total.backward();
  for (const at::Tensor& parameter : parts.teacher->parameters()) REQUIRE_FALSE(parameter.grad().defined());
  for (const at::Tensor& parameter : parts.student->parameters()) REQUIRE(parameter.grad().defined());
  REQUIRE(pass.features.sizes() == at::IntArrayRef({4, kWidth}));
  REQUIRE(pass.targets.sizes() == at::IntArrayRef({4, 4, kWidth}));
}

TEST_CASE("the target comes from where the objective says, with gradient only from the student", "[engine]") {
  const Batch batch = toy_batch(4);
  const Plan plan{{{0, same_ids({0, 1}, 4), {}}}, {{0, 0, same_ids({2, 3}, 4)}}};
  for (const Source source : {Source::student, Source::student_detached, Source::input, Source::none}) {
    World world({source, Level::tokens, {}, 0, 1});
    Composition parts = world.compose();
    REQUIRE_FALSE(parts.teacher);
    Engine engine(parts);
    const Pass pass = engine.run(batch, plan, {});
    REQUIRE(dynamic_cast<ToyObjective&>(*parts.objectives[0].objective).target_gradient == (source == Source::student));
    if (source == Source::input) {
      const at::Tensor patches = ToyModality().patches(batch.views[0]);
      REQUIRE(at::equal(pass.pairs[0][0].target, patches.narrow(1, 2, 2)));
    }
    REQUIRE(pass.pairs[0][0].target.defined() == (source != Source::none));
  }
}

TEST_CASE("a teacher that is shown only what is asked gives the same places, without the rest of the view",
          "[engine]") {
  World whole, apart({.asked_only = true});
  Composition parts = apart.compose(), plain = whole.compose();
  const Batch batch = toy_batch(4);
  const Plan plan{{{0, same_ids({0}, 4), {}}},
                  {{0, 0, same_ids({2, 3}, 4)}, {0, 0, same_ids({3, 1}, 4)}, {0, 0, same_ids({1}, 4)}}};
  auto& teacher = dynamic_cast<ToyEncoder&>(parts.teacher->encoder());
  const Pass pass = Engine(parts).run(batch, plan, {}), usual = Engine(plain).run(batch, plan, {});
  REQUIRE(teacher.passes == 2);  // both questions about two tokens at once, and the one about one
  REQUIRE(teacher.most_seen == 2);
  for (std::size_t q = 0; q < plan.queries.size(); ++q) {
    // The toy encoder looks at each token by itself, so it makes no difference to it.
    REQUIRE(at::allclose(pass.pairs[0][q].target, usual.pairs[0][q].target));
    REQUIRE_FALSE(pass.pairs[0][q].target.requires_grad());
  }
  REQUIRE(pass.features.sizes() == at::IntArrayRef({4, kWidth}));
}

TEST_CASE("two whole views that ask about each other are encoded once, and pair crosswise", "[engine]") {
  World world({Source::student, Level::pooled, {}, 0, 2});
  world.modality.factory = ModalityFactory([](const auto&) { return std::make_shared<ToyModality>(40, -1, 0, 2); });
  world.masker.factory = MaskerFactory([](const auto&) { return std::make_shared<CrossMasker>(); });
  world.experiment.predictor.reset();
  Composition parts = world.compose();
  Engine engine(parts);
  Batch batch = toy_batch(4);
  batch.views.push_back({batch.views[0].data + 1, batch.views[0].grid, ViewRole::global});
  Rng rng(0, Stream::plan);
  const Plan plan = CrossMasker().plan(parts.modality->views(Purpose::pretrain), 4, {}, rng);
  auto& encoder = dynamic_cast<ToyEncoder&>(parts.student->encoder());
  const Pass pass = engine.run(batch, plan, {});
  REQUIRE(encoder.passes == 1);
  REQUIRE(at::equal(pass.pairs[0][0].prediction, pass.pairs[0][1].target));
  REQUIRE(at::equal(pass.pairs[0][1].prediction, pass.pairs[0][0].target));
  REQUIRE_FALSE(at::equal(pass.pairs[0][0].prediction, pass.pairs[0][0].target));
  REQUIRE(pass.pairs[0][0].target.requires_grad());
}

TEST_CASE("views that are not stacked are encoded one by one", "[engine]") {
  World world({Source::student, Level::pooled, {}, 0, 2});
  world.modality.factory = ModalityFactory([](const auto&) { return std::make_shared<ToyModality>(40, -1, 0, 2); });
  world.masker.factory = MaskerFactory([](const auto&) { return std::make_shared<CrossMasker>(); });
  world.experiment.predictor.reset();
  world.experiment.train.stack = false;
  Composition parts = world.compose();
  Batch batch = toy_batch(4);
  batch.views.push_back({batch.views[0].data + 1, batch.views[0].grid, ViewRole::global});
  Rng rng(0, Stream::plan);
  const Plan plan = CrossMasker().plan(parts.modality->views(Purpose::pretrain), 4, {}, rng);
  auto& encoder = dynamic_cast<ToyEncoder&>(parts.student->encoder());
  Engine(parts).run(batch, plan, {});
  REQUIRE(encoder.passes == 2);
}

TEST_CASE("a projector for tokens too sees those that are asked about, of both views at once", "[engine]") {
  World world({Source::teacher, Level::pooled, {}, 0, 2});
  world.modality.factory = ModalityFactory([](const auto&) { return std::make_shared<ToyModality>(40, -1, 0, 2); });
  world.masker.factory = MaskerFactory([](const auto&) { return std::make_shared<BothLevelsMasker>(); });
  world.experiment.predictor.reset();
  world.experiment.projector = ComponentSettings{"toy.head", {}, "projector"};
  world.projector.factory = ProjectorFactory([](const auto&, const auto&) { return std::make_shared<ToyProjector>(); });
  world.experiment.objectives.push_back(world.experiment.objectives.front());
  int made = 0;
  world.objective.factory = ObjectiveFactory([&](const auto&, const auto&) {
    return std::make_shared<ToyObjective>(
        TargetSpec{Source::teacher, made++ == 0 ? Level::pooled : Level::tokens, {}, 0, 2});
  });
  Composition parts = world.compose();
  REQUIRE(parts.projects_tokens);
  Batch batch = toy_batch(4);
  batch.views.push_back({batch.views[0].data + 1, batch.views[0].grid, ViewRole::global});
  Rng rng(0, Stream::plan);
  const Plan plan = BothLevelsMasker().plan(parts.modality->views(Purpose::pretrain), 4, {}, rng);
  auto& student = *std::dynamic_pointer_cast<ToyProjector>(parts.student->named_children()["projector"]);
  auto& teacher = *std::dynamic_pointer_cast<ToyProjector>(parts.teacher->named_children()["projector"]);
  const Pass pass = Engine(parts).run(batch, plan, {});
  REQUIRE(student.rows == std::vector<std::int64_t>{8, 16});  // both views; two tokens of each
  REQUIRE(teacher.rows == std::vector<std::int64_t>{4, 4, 8, 8});
  REQUIRE(pass.pairs[1].size() == 2);
  for (const Pair& pair : pass.pairs[1]) {
    const View& view = batch.views[static_cast<std::size_t>(pair.query->view)];
    const at::Tensor whole = parts.student->encoder().encode(view, {}).tokens;
    const at::Tensor wanted = student.project(whole.flatten(0, 1)).view({4, -1, ToyProjector::kOut}).narrow(1, 1, 2);
    REQUIRE(at::allclose(pair.prediction, wanted));
    REQUIRE(at::allclose(pair.target, wanted));  // the teacher starts equal
    REQUIRE(pair.prediction.requires_grad());
    REQUIRE_FALSE(pair.target.requires_grad());
  }
  REQUIRE(pass.pairs[0][0].prediction.sizes() == at::IntArrayRef({4, ToyProjector::kOut}));
}

TEST_CASE("settle sees the pairs and contexts of every part of a batch", "[engine]") {
  World world;
  Composition parts = world.compose();
  Engine engine(parts);
  const Plan plan{{{0, same_ids({0, 1}, 4), {}}}, {{0, 0, same_ids({2, 3}, 4)}}};
  std::vector<Pass> passes;
  for (int part = 0; part < 3; ++part) passes.push_back(engine.run(toy_batch(4), plan, {}));
  engine.settle(passes, plan, {});
  const auto& objective = dynamic_cast<ToyObjective&>(*parts.objectives[0].objective);
  REQUIRE(objective.settled_pairs == 3);
  REQUIRE(objective.settled_contexts == 3);
}

TEST_CASE("an objective without a target goes with any other, before or behind it", "[composition]") {
  for (const int free_one : {0, 1}) {
    World world;
    world.experiment.objectives.push_back(world.experiment.objectives.front());
    CAPTURE(free_one);
    int made = 0;
    world.objective.factory = ObjectiveFactory([&](const auto&, const auto&) {
      return std::make_shared<ToyObjective>(made++ == free_one ? TargetSpec{Source::none, Level::pooled, {}, 0, 1}
                                                               : TargetSpec{});
    });
    const Composition parts = world.compose();
    REQUIRE(parts.target.source == Source::teacher);
    REQUIRE(parts.target.level == Level::tokens);
    REQUIRE(parts.teacher);
  }
}

TEST_CASE("a plugin's exception while training names the component", "[engine]") {
  World world;
  world.predictor.factory =
      PredictorFactory([](const auto&, const auto&) { return std::make_shared<ThrowingPredictor>(); });
  Composition parts = world.compose();
  Engine engine(parts);
  const Plan plan{{{0, same_ids({0, 1}, 4), {}}}, {{0, 0, same_ids({2, 3}, 4)}}};
  REQUIRE_THROWS_WITH(engine.run(toy_batch(4), plan, {}),
                      Catch::Contains("plugin 'toy', component 'guess'") && Catch::Contains("no answer"));
  world.experiment.projector = ComponentSettings{"toy.head", {}, "projector"};
  world.projector.factory =
      ProjectorFactory([](const auto&, const auto&) { return std::make_shared<ThrowingProjector>(); });
  world.experiment.objectives.push_back(world.experiment.objectives.front());
  int made = 0;
  world.objective.factory = ObjectiveFactory([&](const auto&, const auto&) {
    return std::make_shared<ToyObjective>(made++ == 0 ? TargetSpec{} : TargetSpec{Source::none, Level::pooled});
  });
  Composition projected = world.compose();
  REQUIRE_THROWS_WITH(Engine(projected).run(toy_batch(4), plan, {}),
                      Catch::Contains("plugin 'toy', component 'head'") && Catch::Contains("one sample is too few"));
}

TEST_CASE("an encoder's exception while features are taken names the component", "[engine]") {
  class Throwing : public ToyEncoder {
    Encoded encode(const View&, const Look&) override { throw std::runtime_error("no features"); }
  };
  Branch branch(std::make_shared<Throwing>(), "toy.map");
  const Batch batch = toy_batch(4);
  REQUIRE_THROWS_WITH(branch.embed(batch.views[0]),
                      Catch::Contains("plugin 'toy', component 'map'") && Catch::Contains("no features"));
}

TEST_CASE("a modality's exceptions name the component, whoever calls it", "[composition]") {
  class Source : public ToySource {
   public:
    Source() : ToySource(4) {}
    Sample load(std::int64_t index, Rng&) const override {
      if (index == 0) throw DataError("no sample");
      throw std::runtime_error("no luck");
    }
  };
  class Throwing : public ToyModality {
   public:
    std::unique_ptr<SampleSource> open(Split split, Purpose) const override {
      return split == Split::train ? std::make_unique<Source>() : nullptr;
    }
    void prepare(Batch&, Purpose, Rng&) const override { throw std::runtime_error("no device"); }
  };
  World world;
  world.modality.factory = ModalityFactory([](const auto&) { return std::make_shared<Throwing>(); });
  const Composition parts = world.compose();
  const auto source = parts.modality->open(Split::train, Purpose::evaluate);
  Rng rng(1, Stream::load);
  Batch batch = toy_batch(2);
  const auto named = Catch::Contains("plugin 'toy', component 'data'");
  REQUIRE_THROWS_WITH(source->load(1, rng), named && Catch::Contains("no luck"));
  REQUIRE_THROWS_WITH(parts.modality->prepare(batch, Purpose::evaluate, rng), named && Catch::Contains("no device"));
  REQUIRE_THROWS_AS(source->load(0, rng), DataError);
  REQUIRE_FALSE(parts.modality->open(Split::test, Purpose::evaluate));
  REQUIRE(source->name(3) == "toy #3");
}

TEST_CASE("what does not fit together is an error that names the option", "[composition]") {
  const auto key_of = [](World& world) {
    try {
      world.compose();
    } catch (const ConfigError& error) {
      return error.key();
    }
    return std::string("nothing");
  };
  World good;
  REQUIRE(key_of(good) == "nothing");
  World idle_projector;
  idle_projector.experiment.projector = ComponentSettings{"toy.head", {}, "projector"};
  idle_projector.projector.factory =
      ProjectorFactory([](const auto&, const auto&) { return std::make_shared<ToyProjector>(); });
  REQUIRE(key_of(idle_projector) == "projector");
  World two_views({Source::teacher, Level::tokens, {}, 0, 2});
  REQUIRE(key_of(two_views) == "objective[0]");
  World pooled({Source::teacher, Level::pooled, {}, 0, 1});
  REQUIRE(key_of(pooled) == "masker");
  World no_predictor;
  no_predictor.experiment.predictor.reset();
  REQUIRE(key_of(no_predictor) == "predictor");
  World parts_of_a_batch;
  parts_of_a_batch.experiment.train.accumulate = 3;
  REQUIRE(key_of(parts_of_a_batch) == "train.accumulate");
  World segments;
  segments.experiment.evaluate.segments = {2, 3};
  REQUIRE(key_of(segments) == "evaluate.segments");
  segments.experiment.evaluate.segments = {2};
  REQUIRE(key_of(segments) == "evaluate.segments");
  segments.experiment.evaluate.segments = {1, 2};
  REQUIRE(key_of(segments) == "nothing");
  World whole;
  whole.encodes.hide = false;
  REQUIRE(key_of(whole) == "masker");
  World packs;
  packs.masker.factory = MaskerFactory([](const auto&) { return std::make_shared<PackingMasker>(); });
  REQUIRE(key_of(packs) == "masker");
  packs.encodes.pack = true;
  REQUIRE(key_of(packs) == "masker");
  packs.predicts.pack = true;
  REQUIRE(key_of(packs) == "nothing");
  packs.experiment.train.graphs = true;
  REQUIRE(key_of(packs) == "train.graphs");
}

TEST_CASE("a plugin's exception names the component", "[composition]") {
  World world;
  world.encoder.factory = EncoderFactory(
      [](const auto&, const auto&) -> std::shared_ptr<Encoder> { throw std::runtime_error("out of luck"); });
  REQUIRE_THROWS_WITH(world.compose(), Catch::Contains("component 'map'") && Catch::Contains("out of luck"));
}

TEST_CASE("loading a state reports every name at once and copies nothing unless all fit", "[state]") {
  auto module = std::make_shared<ToyEncoder>();
  const auto state = named_state({{"encoder", module}});
  NamedTensors other = {{"encoder.map.weight", at::zeros({3, 3})}, {"encoder.extra", at::zeros({1})}};
  const at::Tensor before = state.at("encoder.map.weight").clone();
  REQUIRE_THROWS_WITH(load_named_state(state, other, "file"),
                      Catch::Contains("missing (1)") && Catch::Contains("encoder.map.bias") &&
                          Catch::Contains("unexpected (1)") && Catch::Contains("encoder.extra") &&
                          Catch::Contains("of another shape (1)") && Catch::Contains("has [3,3]"));
  REQUIRE(at::equal(state.at("encoder.map.weight"), before));
  other = {{"encoder.map.weight", at::ones({kWidth, 4})}, {"encoder.map.bias", at::ones({kWidth})}};
  load_named_state(state, other, "file");
  REQUIRE(state.at("encoder.map.weight").sum().item<double>() == kWidth * 4);
}

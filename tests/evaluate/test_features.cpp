#include <atomic>
#include <catch2/catch.hpp>
#include <set>

#include "cairn/error.h"
#include "evaluate/embedding.h"
#include "evaluate/probe.h"

namespace {

using namespace cairn;

/// What the fake data set is like.
struct Shape {
  std::int64_t train = 60, test = 30;
  std::int64_t classes = 3;
  std::set<std::int64_t> broken;
  bool is_labelled = true;
  std::int64_t only_class = -1;
};

/// Samples [2,4,4] whose class is the bright row of the first channel, plus noise from the generator they are handed.
class FakeSource : public SampleSource {
 public:
  FakeSource(const Shape& shape, std::int64_t size, std::atomic<int>& loads)
      : shape_(shape), size_(size), loads_(loads) {}
  std::int64_t size() const override { return size_; }
  Sample load(std::int64_t index, Rng& rng) const override {
    ++loads_;
    if (shape_.broken.contains(index)) throw DataError("broken", name(index));
    Sample sample;
    sample.id = index;
    const std::int64_t label = shape_.only_class >= 0 ? shape_.only_class : index % shape_.classes;
    if (shape_.is_labelled) sample.label = label;
    sample.views = {at::zeros({2, 4, 4})};
    sample.views[0][0][label] = 1.0;
    sample.views[0][0][3][0] += rng.uniform(-0.1, 0.1);
    sample.views[0][1] = 0.1 * static_cast<double>(index % 7);
    return sample;
  }
  std::string name(std::int64_t index) const override { return "fake " + std::to_string(index); }
  std::vector<std::string> classes() const override {
    return shape_.is_labelled ? std::vector<std::string>(static_cast<std::size_t>(shape_.classes), "c")
                              : std::vector<std::string>();
  }

 private:
  Shape shape_;
  std::int64_t size_;
  std::atomic<int>& loads_;
};

class FakeModality : public Modality {
 public:
  explicit FakeModality(Shape shape = {}) : shape_(std::move(shape)) {}
  std::unique_ptr<SampleSource> open(Split split, Purpose) const override {
    const std::int64_t size = split == Split::train ? shape_.train : shape_.test;
    return size ? std::make_unique<FakeSource>(shape_, size, loads) : nullptr;
  }
  TokenizerSpec tokenizer() const override { return {2, {2, 2}, {Axis::height, Axis::width}}; }
  std::vector<ViewLayout> views(Purpose) const override { return {{tokenizer().grid({4, 4}), ViewRole::global}}; }
  void prepare(Batch& batch, Purpose, Rng& rng) const override {
    batch.views[0].data.mul_(2.0).add_(rng.uniform(0.0, 0.01));  // in place: a cached batch must not feel it
  }

  mutable std::atomic<int> loads = 0;

 private:
  Shape shape_;
};

/// Every value of a view is a token of its own, doubled in a second feature.
class ValueTokens : public Encoder {
 public:
  Encoded encode(const View& view, const Look&) override {
    const at::Tensor values = view.data.flatten(1).unsqueeze(2), tokens = at::cat({values, 2 * values}, 2);
    return {tokens, tokens.mean(1), {}, {}};
  }
  std::int64_t width() const override { return 2; }
  std::int64_t depth() const override { return 1; }
};

std::vector<std::int64_t> first(std::int64_t n) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < n; ++i) out.push_back(i);
  return out;
}

Features collect(const FakeModality& modality, std::int64_t workers, std::int64_t n = 50) {
  const auto source = modality.open(Split::train, Purpose::evaluate);
  const auto indices = first(n);
  return collect_features(modality, *source, indices, raw_input(), {.batch_size = 8, .workers = workers, .seed = 5});
}

EvaluateSettings small() {
  EvaluateSettings settings;
  settings.train_samples = 40;
  settings.test_samples = 20;
  settings.batch_size = 8;
  settings.neighbours = 3;
  settings.lidar_samples = 0;
  return settings;
}

}  // namespace

TEST_CASE("chosen samples are a seeded subset without repeats") {
  const auto some = choose_samples(100, 30, 1, 0);
  CHECK(some.size() == 30);
  CHECK(std::set(some.begin(), some.end()).size() == 30);
  CHECK(std::is_sorted(some.begin(), some.end()));
  CHECK(some == choose_samples(100, 30, 1, 0));
  CHECK(some != choose_samples(100, 30, 2, 0));
  CHECK(some != choose_samples(100, 30, 1, 1));
  CHECK(choose_samples(5, 30, 1, 0) == first(5));
}

TEST_CASE("features do not depend on the number of workers") {
  FakeModality modality;
  const Features one = collect(modality, 1), many = collect(modality, 7);
  CHECK(one.x.sizes() == at::IntArrayRef({50, 32}));
  CHECK(one.x.equal(many.x));
  CHECK(one.y.equal(at::arange(50, at::kLong).remainder(3)));
  CHECK(one.index == first(50));
  CHECK(one.unreadable == 0);
}

TEST_CASE("unreadable samples are left out and counted, a whole batch of them too") {
  FakeModality modality(Shape{.broken = {0, 8, 9, 10, 11, 12, 13, 14, 15, 49}});
  const Features features = collect(modality, 2);
  CHECK(features.unreadable == 10);
  CHECK(features.size() == 40);
  CHECK(features.index.front() == 1);
  CHECK(std::find(features.index.begin(), features.index.end(), 8) == features.index.end());
  for (std::size_t i = 0; i < features.index.size(); ++i)
    CHECK(features.y[static_cast<std::int64_t>(i)].item<std::int64_t>() == features.index[i] % 3);
}

TEST_CASE("a cached pass gives the same features without loading, and keeps to its budget") {
  FakeModality modality;
  const auto source = modality.open(Split::train, Purpose::evaluate);
  const std::int64_t batch_bytes = 8 * 2 * 16 * 4;
  for (const std::int64_t budget : {std::int64_t{0}, 2 * batch_bytes, 100 * batch_bytes}) {
    modality.loads = 0;
    SampleReader reader(modality, *source, first(48), 8, 5, budget);
    const Features before = reader.collect(raw_input(), at::kCPU, 3);
    CHECK(modality.loads == 48);
    const Features after = reader.collect(raw_input(), at::kCPU, 3);
    CHECK(before.x.equal(after.x));
    CHECK(reader.cached_bytes() <= budget);
    CHECK(modality.loads == 96 - 8 * std::min<std::int64_t>(6, budget / batch_bytes));
  }
}

TEST_CASE("an embedding of the wrong shape is refused") {
  FakeModality modality;
  const auto source = modality.open(Split::train, Purpose::evaluate);
  const auto indices = first(4);
  const auto run = [&](const Embed& embed) { collect_features(modality, *source, indices, embed, {}); };
  CHECK_THROWS_WITH(run([](const View& view) { return view.data; }), Catch::Contains("[B,D]"));
  CHECK_THROWS_WITH(run([](const View&) { return at::zeros({3, 2}); }), Catch::Contains("[B,D]"));
}

TEST_CASE("no gradient is recorded and no-grad ends with the pass") {
  FakeModality modality;
  const auto source = modality.open(Split::train, Purpose::evaluate);
  const auto indices = first(4);
  at::Tensor weight = at::ones({32, 3}).requires_grad_(true);
  const Features features = collect_features(
      modality, *source, indices, [&](const View& view) { return at::mm(view.data.flatten(1), weight); }, {});
  CHECK_FALSE(features.x.requires_grad());
  CHECK(at::mm(at::ones({1, 32}), weight).requires_grad());
}

TEST_CASE("raw input keeps small inputs and averages large ones down") {
  const auto width_of = [](at::IntArrayRef sizes, std::int64_t most = 3072) {
    return raw_input(most)({at::ones(sizes), {}, ViewRole::global}).size(1);
  };
  CHECK(width_of({2, 3, 32, 32}) == 3072);
  CHECK(width_of({2, 3, 224, 224}) == 3072);
  CHECK(width_of({1, 3, 16, 112, 112}) <= 3072);
  CHECK(width_of({1, 3, 16, 112, 112}) > 1500);
  CHECK(width_of({2, 1, 16000}) == 3072);
  CHECK(width_of({2, 1, 500, 3}, 300) <= 300);
  const at::Tensor checks = at::tensor({1.0F, 3.0F, 5.0F, 7.0F}).view({1, 1, 2, 2});
  CHECK(raw_input(1)({checks, {}, ViewRole::global}).item<float>() == 4.0F);
}

TEST_CASE("segments are averaged apart, and lie side by side in the order of the grid") {
  Branch branch(std::make_shared<ValueTokens>(), "toy.values");
  const View view{at::arange(8, at::kFloat).view({1, 1, 4, 2}), {{4, 2}, {Axis::time, Axis::frequency}}};
  const auto embedded = [&](std::vector<std::int64_t> segments) { return branch_embedding(branch, segments)(view); };
  CHECK(embedded({}).equal(at::tensor({3.5F, 7.0F}).view({1, 2})));
  CHECK(embedded({1, 1}).equal(embedded({})));
  CHECK(embedded({2, 1}).equal(at::tensor({1.5F, 3.0F, 5.5F, 11.0F}).view({1, 4})));
  CHECK(embedded({1, 2}).equal(at::tensor({3.0F, 6.0F, 4.0F, 8.0F}).view({1, 4})));
  CHECK(embedded({4, 2}).sizes() == at::IntArrayRef({1, 16}));
  const View coarse{view.data, {{2, 2}, {Axis::time, Axis::frequency}}};  // says fewer tokens than there are
  CHECK_THROWS_WITH(branch_embedding(branch, {2, 1})(coarse), Catch::Contains("evaluate.segments"));
}

TEST_CASE("a probe on telling features is right, and says what it used") {
  FakeModality modality;
  ProbeData data(modality, small(), 0, 2);
  REQUIRE(data.reason().empty());
  const auto online = data.probe(raw_input(), false, at::kCPU);
  REQUIRE(online);
  CHECK(online->linear == 1.0);
  CHECK(online->train == 40);
  CHECK(online->test == 20);
  CHECK(online->classes == 3);
  CHECK(online->width == 32);
  CHECK(online->effective_rank > 1.0);
  CHECK(online->feature_std > 0.0);
  const int loads = modality.loads;
  CHECK(data.probe(raw_input(), false, at::kCPU)->knn == online->knn);
  CHECK(modality.loads == loads);
  const auto last = data.probe(raw_input(), true, at::kCPU);
  CHECK(last->train == 60);
  CHECK(last->test == 30);
  CHECK(std::isnan(last->lidar));
  EvaluateSettings measured = small();
  measured.lidar_samples = 12;
  const auto views = ProbeData(modality, measured, 0, 2).probe(raw_input(), false, at::kCPU);
  CHECK(views->lidar > 1.0);
  CHECK(views->lidar < 12.0);
  CHECK(views->knn == online->knn);
}

TEST_CASE("classes without samples take no room in a probe") {
  const Features train{at::zeros({3, 1}), at::tensor({99999, 7, 99999}, at::kLong), {}};
  const Features test{at::zeros({2, 1}), at::tensor({7, 50000}, at::kLong), {}};
  Features a = train, b = test;
  CHECK(close_gaps(a, b, 100000) == 3);
  CHECK(a.y.equal(at::tensor({2, 0, 2}, at::kLong)));
  CHECK(b.y.equal(at::tensor({0, 1}, at::kLong)));
  CHECK(close_gaps(a, b, 5) == 5);
  CHECK(a.y.equal(at::tensor({2, 0, 2}, at::kLong)));
  CHECK_THROWS_AS(close_gaps(a = train, b = test, 99999), Error);
}

TEST_CASE("a probe says why there is nothing to judge") {
  const auto reason = [](const Shape& shape) {
    FakeModality modality(shape);
    ProbeData data(modality, small(), 0, 2);
    CHECK_FALSE(data.probe(raw_input(), false, at::kCPU));
    return data.reason();
  };
  CHECK(reason({.is_labelled = false}) == "the data carries no labels");
  CHECK(reason({.test = 0}) == "the data has no test part");
  CHECK(reason({.classes = 1}) == "the data has a single class");
  CHECK_THAT(reason({.only_class = 1}), Catch::Contains("all of one class"));
  Shape broken{.train = 4, .test = 4};
  broken.broken = {0, 1, 2, 3};
  CHECK(reason(broken) == "no labelled sample could be read");
}

TEST_CASE("a probe names what it cannot read, and does not judge by what too little is left of") {
  Shape some{.train = 12, .test = 12};
  some.broken = {3};
  FakeModality modality(some);
  ProbeData lenient(modality, small(), 0, 2, 0.5), strict(modality, small(), 0, 2, 0.05);
  REQUIRE(lenient.probe(raw_input(), false, at::kCPU));
  REQUIRE_FALSE(lenient.unreadable().empty());
  CHECK(lenient.unreadable().front().index == 3);
  CHECK_FALSE(strict.probe(raw_input(), false, at::kCPU));
  CHECK_THAT(strict.reason(),
             Catch::Contains("1 of the 12 samples tried cannot be read") && Catch::Contains("max_bad_share"));
}

TEST_CASE("features that are not finite end a probe with advice") {
  FakeModality modality;
  ProbeData data(modality, small(), 0, 2);
  const Embed spoilt = [](const View& view) { return view.data.flatten(1) / 0.0; };
  CHECK_THROWS_WITH(data.probe(spoilt, false, at::kCPU), Catch::Contains("optim.lr"));
}

TEST_CASE("health needs no labels") {
  FakeModality modality(Shape{.test = 0, .is_labelled = false});
  ProbeData data(modality, small(), 0, 2);
  const auto health = data.health(raw_input(), at::kCPU);
  REQUIRE(health);
  CHECK(health->samples == 40);
  CHECK(health->rankme > 1.0);
}

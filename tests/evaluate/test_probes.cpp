#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "evaluate/coarse_search.h"
#include "evaluate/knn.h"
#include "evaluate/linear_probe.h"
#include "evaluate/metrics.h"
#include "evaluate/ridge_probe.h"
#include "evaluate/task.h"

namespace {

using cairn::Features;

at::Tensor normal(std::int64_t rows, std::int64_t width, std::uint64_t seed) {
  cairn::Rng rng(seed, cairn::Stream::user);
  at::Tensor out = at::empty({rows, width});
  float* values = out.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < out.numel(); ++i) values[i] = static_cast<float>(rng.normal());
  return out;
}

/// Class centres plus noise.
Features blobs(std::int64_t rows, std::int64_t width, std::int64_t classes, double signal, std::uint64_t seed) {
  const at::Tensor y = at::arange(rows, at::kLong).remainder(classes);
  const at::Tensor centres = normal(classes, width, 1);
  return {normal(rows, width, seed) + signal * centres.index_select(0, y), y, {}, 0};
}

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const cairn::Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

/// k-NN as its definition reads, without blocks.
std::int64_t brute_force(const Features& train, const at::Tensor& row, std::int64_t classes, std::int64_t k) {
  const at::Tensor bank = train.x / train.x.norm(2, 1, true);
  const at::Tensor cosine = at::mv(bank, row / row.norm());
  const at::Tensor order = std::get<1>(cosine.sort(true, 0, true)).narrow(0, 0, k);
  std::vector<double> votes(static_cast<std::size_t>(classes));
  for (std::int64_t i = 0; i < k; ++i) {
    const auto near = order[i].item<std::int64_t>();
    votes[static_cast<std::size_t>(train.y[near].item<std::int64_t>())] += std::exp(cosine[near].item<double>() / 0.07);
  }
  return std::max_element(votes.begin(), votes.end()) - votes.begin();
}

/// The objective as its definition reads.
double objective(const at::Tensor& x, const at::Tensor& y, const cairn::LogisticFit& fit, double c) {
  const at::Tensor logs = at::log_softmax(at::mm(x, fit.weight) + fit.bias, 1).to(at::kDouble);
  const double entropy = -logs.gather(1, y.unsqueeze(1)).mean().item<double>();
  return entropy + fit.weight.square().sum().item<double>() / (2.0 * c * static_cast<double>(x.size(0)));
}

}  // namespace

TEST_CASE("the logistic fit stands at the minimum of its objective") {
  const Features data = blobs(300, 6, 3, 0.7, 2);
  for (const double c : {1e-3, 1.0, 100.0}) {
    const auto fit = cairn::fit_logistic(data.x, data.y, 3, c, {});
    CHECK(fit.loss == Approx(objective(data.x, data.y, fit, c)).epsilon(1e-5));
    CHECK(fit.iterations < 150);
    // Convex: no random step away from the minimum may lead down.
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      auto moved = fit;
      moved.weight = fit.weight + 0.05 * normal(6, 3, seed + 10);
      CHECK(objective(data.x, data.y, moved, c) > fit.loss);
      moved = fit;
      moved.bias = fit.bias + 0.05 * (normal(1, 3, seed + 40)[0] - normal(1, 3, seed + 40).mean());
      CHECK(objective(data.x, data.y, moved, c) > fit.loss);
    }
  }
}

TEST_CASE("two classes in one dimension have the closed-form logistic slope") {
  // x = +1 and -1 with labels right three times out of four: the logit difference at x is log(3) * x.
  const at::Tensor x = at::tensor({1.0F, 1.0F, 1.0F, 1.0F, -1.0F, -1.0F, -1.0F, -1.0F}).unsqueeze(1);
  const at::Tensor y = at::tensor({1, 1, 1, 0, 0, 0, 0, 1}, at::kLong);
  const auto fit = cairn::fit_logistic(x, y, 2, 1e9, {});
  CHECK((fit.weight[0][1] - fit.weight[0][0]).item<double>() == Approx(std::log(3.0)).epsilon(1e-3));
  CHECK((fit.bias[1] - fit.bias[0]).item<double>() == Approx(0.0).margin(1e-3));
}

TEST_CASE("a fit to fewer rows than values is the same in their own span") {
  const Features data = blobs(40, 90, 3, 0.5, 4);
  const cairn::LogisticRegression regression(data.x, data.y, 3);
  const auto strong = regression.fit(0.01);
  const auto fit = regression.fit(1.0, &strong);
  const auto plain = cairn::fit_logistic(data.x, data.y, 3, 1.0,
                                         {.gradient_tolerance = 1e-7, .least_progress = 0.0, .precondition = false});
  CHECK(fit.weight.sizes() == at::IntArrayRef({90, 3}));
  CHECK(fit.loss == Approx(plain.loss).epsilon(1e-4));
  CHECK(fit.scores(data.x).allclose(plain.scores(data.x), 0.0, 0.02));
}

TEST_CASE("without a preconditioner the fit ends at the same minimum") {
  const Features data = blobs(300, 6, 3, 0.7, 2);
  const auto plain = cairn::fit_logistic(data.x, data.y, 3, 1.0, {.precondition = false});
  CHECK(plain.loss == Approx(cairn::fit_logistic(data.x, data.y, 3, 1.0).loss).epsilon(1e-5));
}

TEST_CASE("a sigmoid fit of one class is the softmax fit of two with half the difference") {
  const Features data = blobs(300, 6, 2, 0.7, 2);
  const at::Tensor one = data.y.to(at::kFloat).unsqueeze(1);
  // Of two softmax classes the weights are opposite, so their penalty is half that of one vector of the difference.
  const auto single = cairn::fit_logistic(data.x, one, 1, 2.0, {.link = cairn::Link::sigmoid});
  const auto pair = cairn::fit_logistic(data.x, data.y, 2, 1.0);
  const at::Tensor difference = pair.weight.select(1, 1) - pair.weight.select(1, 0);
  CHECK(single.weight.select(1, 0).allclose(difference, 1e-2, 1e-3));
  CHECK(single.loss == Approx(pair.loss).epsilon(1e-3));
}

TEST_CASE("the linear probe learns several labels a sample") {
  Features train = blobs(400, 16, 4, 2.0, 2), test = blobs(200, 16, 4, 2.0, 3);
  const auto both = [](const at::Tensor& y) { return at::stack({y.lt(2), y.remainder(2).eq(0)}, 1).to(at::kFloat); };
  train.y = both(train.y);
  test.y = both(test.y);
  CHECK(cairn::mean_average_precision(cairn::LinearProbe(train, 2)(test.x), test.y) > 0.97);
  CHECK_THAT(message_of([&] { cairn::LinearProbe(train, 3); }), Catch::Contains("labels must lie"));
}

TEST_CASE("the ridge probe finds a linear map, and no more where there is none") {
  Features train = blobs(400, 16, 4, 0.0, 2), test = blobs(200, 16, 4, 0.0, 3);
  const at::Tensor map = normal(16, 2, 9);
  train.y = at::mm(train.x, map) * 3.0 + 5.0;
  test.y = at::mm(test.x, map) * 3.0 + 5.0;
  CHECK(cairn::quality(cairn::Task::values, cairn::RidgeProbe(train)(test.x), test.y) > 0.999);
  train.y = normal(400, 2, 11);
  const cairn::RidgeProbe noise(train);
  CHECK(noise.penalty() >= 0.1);
  CHECK(std::abs(cairn::quality(cairn::Task::values, noise(test.x), normal(200, 2, 12))) < 0.1);
  const Features wide{normal(30, 100, 4), normal(30, 1, 5), {}, 0};
  CHECK(cairn::RidgeProbe(wide, {.grid = {1e-4}})(wide.x).allclose(wide.y, 0.1, 0.1));
}

TEST_CASE("a warm start ends where a cold one does") {
  const Features data = blobs(200, 5, 3, 0.5, 4);
  const auto cold = cairn::fit_logistic(data.x, data.y, 3, 1.0, {});
  const auto strong = cairn::fit_logistic(data.x, data.y, 3, 1e-3, {});
  CHECK(cairn::fit_logistic(data.x, data.y, 3, 1.0, {}, &strong).loss == Approx(cold.loss).epsilon(1e-5));
}

TEST_CASE("the linear probe tells separable classes apart and guesses on noise") {
  const auto clear = cairn::linear_probe(blobs(400, 16, 4, 2.0, 2), blobs(200, 16, 4, 2.0, 3), 4);
  CHECK(clear.accuracy > 0.97);
  CHECK(clear.train == 400);
  CHECK(clear.test == 200);
  CHECK(clear.confusion.sum().item<std::int64_t>() == 200);
  CHECK(clear.confusion.sum(1).equal(at::full({4}, 50, at::kLong)));
  CHECK(clear.confusion.diagonal().sum().item<double>() / 200.0 == Approx(clear.accuracy));
  CHECK(cairn::linear_probe(blobs(400, 16, 4, 0.0, 2), blobs(400, 16, 4, 0.0, 3), 4).accuracy < 0.4);
}

TEST_CASE("the linear probe does not mind scale, offset, constant features or absent classes") {
  Features train = blobs(300, 8, 3, 1.0, 2), test = blobs(150, 8, 3, 1.0, 3);
  const double plain = cairn::linear_probe(train, test, 3).accuracy;
  const at::Tensor scale = at::logspace(-3, 3, 8);
  for (Features* part : {&train, &test}) {
    part->x = at::cat({part->x * scale + 5.0 * scale, at::full({part->size(), 1}, 7.0)}, 1);
    part->y = part->y * 2;
  }
  const auto result = cairn::linear_probe(train, test, 6);
  CHECK(result.accuracy == Approx(plain).margin(0.02));
  CHECK(result.confusion.sizes() == at::IntArrayRef({6, 6}));
  CHECK(result.confusion.select(1, 1).sum().item<std::int64_t>() == 0);
  CHECK_FALSE(cairn::linear_probe(train, test, 100'000).confusion.defined());  // 80 GB
}

TEST_CASE("C follows the data: strong where features are noise, weak where they are not") {
  const auto noisy = cairn::linear_probe(blobs(120, 100, 2, 0.15, 2), blobs(400, 100, 2, 0.15, 3), 2);
  CHECK(noisy.c < 1.0);
  const auto same = cairn::linear_probe(blobs(120, 100, 2, 0.15, 2), blobs(400, 100, 2, 0.15, 3), 2);
  CHECK(same.c == noisy.c);
  CHECK(same.accuracy == noisy.accuracy);
}

TEST_CASE("a class missing where C is chosen is not given up") {
  // Eight judging rows, none of the rare class: strong penalties do as well there, and then never guess that class.
  Features train{at::zeros({40, 3}), at::zeros({40}, at::kLong), {}, 0};
  const auto order = cairn::Rng(0, cairn::Stream::probe, 3).permutation(40);
  for (std::int64_t i = 0; i < 40; ++i) {
    const std::int64_t label = i < 9 ? 1 : i % 3 == 0 ? 0 : 2;
    train.y[order[static_cast<std::size_t>(i)]] = label;
    train.x[order[static_cast<std::size_t>(i)]][label] = 1.0;
  }
  const Features test{at::eye(3), at::arange(3, at::kLong), {}, 0};
  CHECK(cairn::linear_probe(train, test, 3).accuracy == 1.0);
}

TEST_CASE("nearest neighbours equal a brute-force search") {
  const Features train = blobs(500, 12, 5, 0.5, 2), test = blobs(60, 12, 5, 0.5, 3);
  for (const std::int64_t k : {1, 7, 20}) {
    const at::Tensor guess = cairn::knn_classify(train.x, train.y, test.x, 5, {.neighbours = k});
    for (std::int64_t i = 0; i < test.size(); ++i)
      CHECK(guess[i].item<std::int64_t>() == brute_force(train, test.x[i], 5, k));
  }
}

TEST_CASE("neighbours are the same by picking and by sorting blocks") {
  const Features train = blobs(300, 12, 5, 0.5, 2), test = blobs(40, 12, 5, 0.5, 3);
  for (const std::int64_t k : {1, 20, 1000}) {
    const auto picked = cairn::nearest_rows(train.x, test.x, k);
    const auto sorted = cairn::nearest_rows_by_block(train.x, test.x, k, at::kCPU);
    CHECK(picked.row.equal(sorted.row));
    CHECK(picked.cosine.allclose(sorted.cosine));
    CHECK(picked.row.size(1) == std::min<std::int64_t>(k, 300));
  }
}

TEST_CASE("a look at rounded rows loses no neighbour") {
  at::manual_seed(5);
  const auto unit = [](const at::Tensor& x) { return at::div(x, x.norm(2, 1, true)); };
  const at::Tensor offset = at::randn({1, 48}).mul_(3.0);
  const at::Tensor spread = at::randn({3000, 48}), moved = at::randn({3000, 48}).add_(offset);
  const at::Tensor doubled = at::cat({spread.narrow(0, 0, 1500), spread.narrow(0, 0, 1500)});
  for (const at::Tensor& rows : {spread, moved, doubled, spread.narrow(1, 0, 3)}) {
    const at::Tensor bank = unit(rows), queries = bank.narrow(0, 100, 400).add(at::randn({400, bank.size(1)}), 0.05);
    const auto sorted = cairn::nearest_rows_by_block(bank, queries, 10, at::kCPU);
    const auto found = cairn::CoarseBank(bank).candidates(unit(queries), 10);
    REQUIRE(found.has_value());
    std::size_t most = 0;
    for (std::int64_t i = 0; i < 400; ++i) {
      const auto& rows_of_one = (*found)[static_cast<std::size_t>(i)];
      most = std::max(most, rows_of_one.size());
      const double last = sorted.cosine[i][9].item<double>();
      const at::Tensor cosines = at::mv(bank, unit(queries)[i]);
      for (std::int64_t row = 0; row < bank.size(0); ++row)
        if (cosines[row].item<double>() > last + 1e-6)
          CHECK(std::binary_search(rows_of_one.begin(), rows_of_one.end(), row));
    }
    if (rows.size(1) == 48) CHECK(most < 1000);
    const auto picked = cairn::nearest_rows(bank, queries, 10);
    CHECK(picked.cosine.allclose(sorted.cosine, 0.0, 1e-6));
  }
}

TEST_CASE("rows too much alike to be told apart when rounded are searched all the same") {
  at::manual_seed(6);
  const at::Tensor bank = at::randn({6000, 2}).mul_(1e-4).add_(1.0);
  CHECK(!cairn::CoarseBank(bank.div(bank.norm(2, 1, true))).candidates(bank.narrow(0, 0, 200).div(std::sqrt(2.0)), 5));
  const auto picked = cairn::nearest_rows(bank, bank.narrow(0, 0, 200), 5);
  CHECK(picked.cosine.ge(1.0 - 1e-6).all().item<bool>());
}

TEST_CASE("neighbours vote for several labels, for numbers, and alike if asked to") {
  const at::Tensor bank = at::tensor({1.0F, 0.0F, 0.9F, 0.1F, 0.9F, 0.1F, 0.0F, 1.0F}).view({4, 2});
  const at::Tensor query = at::tensor({1.0F, 0.0F}).view({1, 2});
  const at::Tensor numbers = at::tensor({1.0F, 2.0F, 6.0F, 100.0F}).view({4, 1});
  const at::Tensor mean = cairn::knn_votes(bank, numbers, query, 1, {.neighbours = 3, .temperature = 0.0});
  CHECK(mean.item<double>() == Approx(3.0));
  const at::Tensor labels = at::tensor({0, 1, 1, 0}, at::kLong);
  const at::Tensor alike = cairn::knn_votes(bank, labels, query, 2, {.neighbours = 3, .temperature = 0.0});
  CHECK(alike[0][1].item<double>() == Approx(2.0 / 3.0));
}

TEST_CASE("ties among neighbours go to the lower row, among votes to the lower class") {
  const at::Tensor same = at::ones({4, 3});
  const at::Tensor labels = at::tensor({2, 1, 0, 0}, at::kLong);
  const at::Tensor query = at::ones({1, 3});
  CHECK(cairn::knn_classify(same, labels, query, 3, {.neighbours = 1}).item<std::int64_t>() == 2);
  CHECK(cairn::knn_classify(same, labels, query, 3, {.neighbours = 2}).item<std::int64_t>() == 1);
  CHECK(cairn::knn_classify(same, labels, query, 3, {.neighbours = 100}).item<std::int64_t>() == 0);
}

TEST_CASE("a cold temperature leaves the vote to the nearest") {
  const at::Tensor bank = at::tensor({1.0F, 0.0F, 0.9F, 0.1F, 0.9F, 0.1F}).view({3, 2});
  const at::Tensor labels = at::tensor({0, 1, 1}, at::kLong);
  const at::Tensor query = at::tensor({1.0F, 0.0F}).view({1, 2});
  CHECK(cairn::knn_classify(bank, labels, query, 2, {.neighbours = 3}).item<std::int64_t>() == 1);
  CHECK(cairn::knn_classify(bank, labels, query, 2, {.neighbours = 3, .temperature = 1e-4}).item<std::int64_t>() == 0);
}

TEST_CASE("probes refuse what they cannot judge, and say why") {
  const Features good = blobs(20, 4, 2, 1.0, 2);
  Features spoilt = good;
  spoilt.x = good.x.clone();
  spoilt.x[3][1] = std::numeric_limits<float>::quiet_NaN();
  Features single = good;
  single.y = at::zeros({20}, at::kLong);
  Features narrow = good;
  narrow.x = good.x.narrow(1, 0, 3).contiguous();

  CHECK_THAT(message_of([&] { cairn::linear_probe({}, good, 2); }), Catch::Contains("no features"));
  CHECK_THAT(message_of([&] { cairn::linear_probe(good, {}, 2); }), Catch::Contains("test part"));
  CHECK_THAT(message_of([&] { cairn::linear_probe(spoilt, good, 2); }), Catch::Contains("NaN"));
  CHECK_THAT(message_of([&] { cairn::linear_probe(good, spoilt, 2); }), Catch::Contains("optim.lr"));
  CHECK_THAT(message_of([&] { cairn::linear_probe(single, good, 2); }), Catch::Contains("all of one class"));
  CHECK_THAT(message_of([&] { cairn::linear_probe(good, narrow, 2); }), Catch::Contains("4 values"));
  CHECK_THAT(message_of([&] { cairn::linear_probe(good, good, 1); }), Catch::Contains("labels must lie"));
  CHECK_THAT(message_of([&] { cairn::knn_accuracy({}, good, 2); }), Catch::Contains("no features"));
  CHECK_THAT(message_of([&] { cairn::knn_accuracy(good, spoilt, 2); }), Catch::Contains("NaN"));
  CHECK_THAT(message_of([&] { cairn::knn_accuracy(good, good, 2, {.neighbours = 0}); }), Catch::Contains("positive"));
}

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "evaluate/attentive_probe.h"
#include "evaluate/feature_cache.h"
#include "support/temporary_folder.h"

namespace {

using namespace cairn;

/// One of six tokens, anywhere, carries the class; the mean over the tokens hardly shows it.
Features needles(std::int64_t rows, std::uint64_t seed) {
  constexpr std::int64_t kTokens = 6, kWidth = 8;
  at::manual_seed(seed);
  Features out;
  at::Tensor x = at::randn({rows, kTokens, kWidth});
  out.y = at::arange(rows, at::kLong).remainder(2);
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t place = at::randint(kTokens, {1}).item<std::int64_t>();
    x[i][place] = 0.3 * at::randn({kWidth});
    x[i][place][0] = 6.0;
    x[i][place][1] = i % 2 == 0 ? 6.0 : -6.0;
    out.index.push_back(i);
  }
  out.x = x.flatten(1).contiguous();
  return out;
}

AttentiveProbeOptions quick(std::int64_t blocks) {
  AttentiveProbeOptions options;
  options.blocks = blocks;
  options.epochs = 15;
  options.batch_size = 32;
  options.lrs = {1e-6, 1e-2};
  options.weight_decays = {0.01};
  return options;
}

}  // namespace

TEST_CASE("attentive heads find the token that tells, and the useful rate is chosen") {
  const Features train = needles(320, 1), test = needles(200, 2);
  for (const std::int64_t blocks : {0, 1}) {
    const AttentiveProbe probe(train, 8, 2, quick(blocks));
    CHECK(quality(Task::classes, probe(test.x), test.y) > 0.9);
    CHECK(probe.lr() == 1e-2);
  }
  const AttentiveProbe probe(train, 8, 2, quick(0));
  CHECK(probe(test.x).equal(AttentiveProbe(train, 8, 2, quick(0))(test.x)));
  const at::Tensor looks = probe.attention(test.x);
  CHECK(looks.sum(1).allclose(at::ones({200})));
  CHECK(looks.gather(1, test.x.view({200, 6, 8}).select(2, 0).argmax(1, true)).mean().item<double>() > 0.5);
}

TEST_CASE("a head that diverges is not chosen, and no head at all is an error") {
  const Features train = needles(60, 1);
  AttentiveProbeOptions options = quick(0);
  options.epochs = 3;
  options.lrs = {1e30, 1e-3};
  CHECK(AttentiveProbe(train, 8, 2, options).lr() == 1e-3);
  options.lrs = {1e30, 1e31};
  CHECK_THROWS_WITH(AttentiveProbe(train, 8, 2, options), Catch::Contains("diverged"));
  options.lrs = {1e30};
  CHECK_THROWS_WITH(AttentiveProbe(train, 8, 2, options)(train.x), Catch::Contains("lower --lr"));
}

TEST_CASE("attentive heads learn several labels a sample, and numbers") {
  Features train = needles(320, 1), test = needles(200, 2);
  AttentiveProbeOptions options = quick(0);
  options.task = Task::multi_label;
  for (Features* part : {&train, &test}) part->y = at::stack({part->y, 1 - part->y, part->y}, 1).to(at::kFloat);
  CHECK(quality(Task::multi_label, AttentiveProbe(train, 8, 3, options)(test.x), test.y) > 0.9);
  options.task = Task::values;
  for (Features* part : {&train, &test}) part->y = 1000.0 + 5.0 * part->y;
  const at::Tensor values = AttentiveProbe(train, 8, 3, options)(test.x);
  CHECK(quality(Task::values, values, test.y) > 0.5);
  CHECK(values.mean().item<double>() == Approx(1002.5).margin(1.0));
}

TEST_CASE("the recipes of both papers train") {
  const Features train = needles(64, 1);
  AttentiveProbeOptions first = vjepa_recipe(), second = vjepa2_recipe(8);
  CHECK(second.lrs.size() * second.weight_decays.size() == 20);
  CHECK(vjepa2_recipe(1024).heads == 16);
  for (AttentiveProbeOptions* options : {&first, &second}) {
    options->epochs = 1;
    CHECK(at::isfinite(AttentiveProbe(train, 8, 2, *options)(train.x)).all().item<bool>());
  }
}

TEST_CASE("attentive probes refuse what they cannot read") {
  const Features good = needles(20, 1);
  CHECK_THROWS_WITH(AttentiveProbe(good, 7, 2, quick(0)), Catch::Contains("T*D"));
  CHECK_THROWS_WITH(AttentiveProbe(good, 8, 2, quick(0))(good.x.narrow(1, 0, 9)), Catch::Contains("T*D"));
  auto options = quick(0);
  options.heads = 3;
  CHECK_THROWS_WITH(AttentiveProbe(good, 8, 2, options), Catch::Contains("3 heads"));
  options = quick(0);
  options.lrs.clear();
  CHECK_THROWS_AS(AttentiveProbe(good, 8, 2, options), Error);
}

TEST_CASE("low shot draws a few rows of every class") {
  Features all{at::arange(60, at::kFloat).unsqueeze(1), at::arange(60, at::kLong).remainder(3), {}, 0};
  for (std::int64_t i = 0; i < 60; ++i) all.index.push_back(100 + i);
  const Features five = low_shot(all, 5, 1);
  CHECK(five.size() == 15);
  CHECK(at::bincount(five.y).equal(at::full({3}, 5, at::kLong)));
  CHECK(five.index.front() == 100 + static_cast<std::int64_t>(five.x[0].item<float>()));
  CHECK(low_shot(all, 5, 1).x.equal(five.x));
  CHECK_FALSE(low_shot(all, 5, 2).x.equal(five.x));
  CHECK(low_shot(all, 0.1, 1).size() == 6);
  CHECK(low_shot(all, 0.001, 1).size() == 3);
  CHECK(low_shot(all, 1000, 1).size() == 60);
}

TEST_CASE("cached features are those of the same values and key, and of no others") {
  test::TemporaryFolder folder;
  int calls = 0;
  const Embed embed = [&](const View& view) {
    ++calls;
    return view.data.flatten(1) * 2.0;
  };
  const Embed cached = cached_embed(embed, "a", folder.path());
  View view{at::arange(8, at::kFloat).view({2, 1, 4}), TokenGrid{{4}, {Axis::time}}, ViewRole::global};
  const at::Tensor first = cached(view);
  CHECK(cached(view).equal(first));
  CHECK(calls == 1);
  CHECK_FALSE(cached_embed(embed, "b", folder.path())(view).numel() == 0);
  CHECK(calls == 2);
  view.data = view.data + 1.0;
  CHECK(cached(view).equal(embed(view)));
  for (const auto& file : std::filesystem::directory_iterator(folder.path())) test::write_text(file.path(), "torn");
  CHECK(cached(view).equal(embed(view)));
}

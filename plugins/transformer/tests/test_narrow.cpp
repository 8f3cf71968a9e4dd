#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "narrow.h"
#include "support/tensors.h"

namespace {

using namespace cairn;
using test::largest_difference;
using transformer::Narrow;
using transformer::NarrowOptions;

NarrowOptions small_narrow() {
  NarrowOptions options;
  options.width = 32;
  options.depth = 2;
  options.heads = 2;
  return options;
}

Narrow make(const NarrowOptions& options) {
  at::manual_seed(21);
  return Narrow(options, PredictorSetting{48, 40, {}});
}

/// Two rows, three of 4 x 4 tokens seen, four asked.
Question question() {
  at::manual_seed(22);
  const TokenGrid grid{{4, 4}, {Axis::height, Axis::width}};
  Question q;
  q.seen.tokens = at::randn({2, 3, 48});
  q.seen_grid = q.asked_grid = grid;
  q.seen_at = {at::tensor({0, 1, 2, 3, 4, 5}, at::kLong).view({2, 3})};
  q.asked_at = {at::tensor({8, 9, 10, 11, 15, 14, 13, 12}, at::kLong).view({2, 4})};
  return q;
}

TEST_CASE("answers follow the order of the questions, and rows are independent") {
  Narrow narrow = make(small_narrow());
  Question q = question();
  const at::Tensor answer = narrow.predict(q).detach();
  CHECK(answer.sizes() == at::IntArrayRef({2, 4, 40}));
  CHECK(largest_difference(answer.select(1, 0), answer.select(1, 1)) > 1e-3);

  q.asked_at.index = q.asked_at.index.flip(1);
  CHECK(largest_difference(narrow.predict(q).flip(1), answer) < 1e-5);

  q = question();
  q.seen.tokens[1].fill_(3.0);
  const at::Tensor other = narrow.predict(q).detach();
  CHECK(largest_difference(other[0], answer[0]) < 1e-6);
  CHECK(largest_difference(other[1], answer[1]) > 1e-3);
}

TEST_CASE("where tokens stand matters, in which order they come does not") {
  Narrow narrow = make(small_narrow());
  Question q = question();
  const at::Tensor answer = narrow.predict(q).detach();
  q.seen_at.index = q.seen_at.index.flip(1);
  CHECK(largest_difference(narrow.predict(q), answer) > 1e-4);
  q.seen.tokens = q.seen.tokens.flip(1);
  CHECK(largest_difference(narrow.predict(q), answer) < 1e-5);
}

TEST_CASE("all tokens of another grid can be asked for") {
  Narrow narrow = make(small_narrow());
  Question q = question();
  q.asked_grid = {{2, 5}, {Axis::height, Axis::width}};
  q.asked_at = {};
  CHECK(narrow.predict(q).sizes() == at::IntArrayRef({2, 10, 40}));
}

TEST_CASE("each group has a mask token of its own") {
  NarrowOptions options = small_narrow();
  options.groups = 2;
  Narrow narrow = make(options);
  Question q = question();
  const at::Tensor first = narrow.predict(q).detach();
  q.group = 1;
  CHECK(largest_difference(narrow.predict(q), first) > 1e-4);
  q.group = 2;
  CHECK_THROWS_AS(narrow.predict(q), ConfigError);
  options.zero_mask_tokens = true;
  CHECK(make(options).named_parameters()["mask_tokens"].abs().max().item<double>() == 0.0);
}

TEST_CASE("a pooled question is refused, and one of a group without a mask token") {
  Question q = question();
  q.level = Level::pooled;
  CHECK_THROWS_AS(make(small_narrow()).predict(q), Error);
  CHECK_THROWS_WITH(make(small_narrow()).check({}, {0, 0, {}, Level::pooled, 0}), Catch::Contains("whole views"));
  CHECK_THROWS_WITH(make(small_narrow()).check({}, {0, 0, {}, Level::tokens, 1}), Catch::Contains("groups = 2"));
  CHECK_NOTHROW(make(small_narrow()).check({}, {}));
}

TEST_CASE("heads default to the encoder preset's, where they fit") {
  const auto heads_fit = [](std::int64_t width, std::int64_t input) {
    NarrowOptions options;
    options.width = width;
    options.depth = 1;
    Narrow narrow(options, PredictorSetting{input, input, {}});
    return narrow.named_parameters().size();
  };
  CHECK_NOTHROW(heads_fit(384, 192));
  CHECK_NOTHROW(heads_fit(64, 192));  // 3 heads do not divide 64
  CHECK_NOTHROW(heads_fit(48, 100));
}

TEST_CASE("gradients reach every parameter of the predictor") {
  NarrowOptions options = small_narrow();
  options.layer_scale = 0.5;
  options.activation = nn::Activation::quick_gelu;
  Narrow narrow = make(options);
  CHECK(narrow.named_parameters().contains("blocks.1.scale2"));
  narrow.predict(question()).pow(2).sum().backward();
  for (const auto& parameter : narrow.named_parameters()) {
    INFO(parameter.key());
    REQUIRE(parameter.value().grad().defined());
    CHECK(parameter.value().grad().abs().max().item<double>() > 0.0);
  }
}

TEST_CASE("the published predictor has the published number of parameters") {
  NarrowOptions options;
  options.depth = 12;
  Narrow narrow(options, PredictorSetting{1280, 1280, {}});
  std::int64_t count = 0;
  for (const at::Tensor& parameter : narrow.parameters()) count += parameter.numel();
  CHECK(static_cast<double>(count) == Approx(22.3e6).epsilon(0.003));
}

/// What was seen, with a class token.
Question led_question() {
  Question q = question();
  q.seen.special = at::randn({2, 1, 48});
  return q;
}

TEST_CASE("over the whole grid, asking every hidden place equals asking them jointly") {
  for (const auto form : {transformer::Positions::sincos, transformer::Positions::rotary}) {
    NarrowOptions options = small_narrow();
    options.class_token = true;
    options.positions = form;
    Narrow joint = make(options);
    options.whole_grid = true;
    Narrow whole = make(options);
    Question q = led_question();
    const at::Tensor hidden = at::ones({2, 16}, at::kBool).scatter_(1, q.seen_at.index, false);
    q.asked_at = {hidden.nonzero().select(1, 1).view({2, 13})};
    CHECK(largest_difference(joint.predict(q), whole.predict(q)) < 1e-5);
    const at::Tensor answers = whole.predict(q);
    q.asked_at = {};
    const at::Tensor all = whole.predict(q);
    CHECK(all.sizes() == at::IntArrayRef({2, 16, 40}));
    CHECK(largest_difference(all[1].index_select(0, hidden[1].nonzero().select(1, 0)), answers[1]) < 1e-6);
    q.seen.special = q.seen.special + 1.0;
    CHECK(largest_difference(whole.predict(q), all) > 1e-4);
    q.seen.special = at::Tensor();
    CHECK_THROWS_AS(whole.predict(q), ConfigError);
  }
}

TEST_CASE("a whole grid must be the one that was seen") {
  NarrowOptions options = small_narrow();
  options.whole_grid = true;
  Question q = question();
  q.asked_grid = {{5, 5}, {Axis::height, Axis::width}};
  CHECK_THROWS_AS(make(options).predict(q), ConfigError);
}

TEST_CASE("places of every form tell the answers apart; the order of the questions does not matter") {
  using transformer::Positions;
  for (const auto form : {Positions::sinusoid, Positions::learned, Positions::rotary}) {
    NarrowOptions options = small_narrow();
    options.positions = form;
    options.embed_bias = false;
    options.last_norm_epsilon = 1e-5;
    Question q = question();
    at::manual_seed(23);
    Narrow narrow(options, PredictorSetting{48, 40, {{q.seen_grid, ViewRole::global}}});
    const at::Tensor answer = narrow.predict(q).detach();
    CHECK(largest_difference(answer.select(1, 0), answer.select(1, 1)) > 1e-4);
    q.asked_at.index = q.asked_at.index.flip(1);
    CHECK(largest_difference(narrow.predict(q).flip(1), answer) < 1e-5);
    CHECK_FALSE(narrow.named_parameters().contains("embed.bias"));
  }
}

TEST_CASE("seen places that are asked about are answered by a head of their own") {
  NarrowOptions options = small_narrow();
  options.seen_outputs = true;
  Narrow narrow = make(options);
  Question q = question();
  const at::Tensor hidden = narrow.predict(q);
  q.asked_at = {at::cat({q.asked_at.index, q.seen_at.index}, 1)};
  q.seen_too = true;
  const at::Tensor both = narrow.predict(q);
  CHECK(both.sizes() == at::IntArrayRef({2, 7, 40}));
  CHECK(largest_difference(both.narrow(1, 0, 4), hidden) < 1e-5);
  const at::NoGradGuard no_grad;
  at::Tensor(narrow.named_parameters()["project_seen.weight"]).zero_();
  at::Tensor(narrow.named_parameters()["project_seen.bias"]).fill_(5.0);
  CHECK(largest_difference(narrow.predict(q).narrow(1, 4, 3), at::full({2, 3, 40}, 5.0)) < 1e-6);
  options.whole_grid = true;
  CHECK_THROWS_AS(make(options), ConfigError);
}

TEST_CASE("levels are fused before the predictor, and pictures are marked otherwise than clips") {
  NarrowOptions options = small_narrow();
  options.fuse = 24;
  options.marks = true;
  Narrow narrow = make(options);
  CHECK(narrow.named_parameters()["fuse.weight"].sizes() == at::IntArrayRef({24, 48}));
  CHECK(narrow.named_parameters()["embed.weight"].sizes() == at::IntArrayRef({32, 24}));
  Question q = question();
  const at::Tensor clip = narrow.predict(q);
  const at::NoGradGuard no_grad;
  const at::Tensor ramp = at::linspace(-1, 1, 32).view({1, 1, 32});
  at::Tensor(narrow.named_parameters()["picture_mark"]).copy_(ramp);
  CHECK(at::equal(narrow.predict(q), clip));
  at::Tensor(narrow.named_parameters()["clip_mark"]).copy_(ramp);
  CHECK(largest_difference(narrow.predict(q), clip) > 1e-3);
}

TEST_CASE("rows of unequal length are answered from as from each alone") {
  NarrowOptions options = small_narrow();
  options.class_token = GENERATE(false, true);
  options.positions = GENERATE(transformer::Positions::sincos, transformer::Positions::rotary);
  Narrow narrow = make(options);
  REQUIRE(narrow.can_pack());
  Question q = question();
  q.seen.special = at::randn({2, 1, 48});
  q.seen_at.lengths = {3, 1};
  q.seen_at.index[1].fill_(3);
  const at::Tensor answer = narrow.predict(q);
  for (std::int64_t row = 0; row < 2; ++row) {
    const std::int64_t seen = q.seen_at.lengths[static_cast<std::size_t>(row)];
    Question alone = q;
    alone.seen.tokens = q.seen.tokens.narrow(0, row, 1).narrow(1, 0, seen);
    alone.seen.special = q.seen.special.narrow(0, row, 1);
    alone.seen_at = {q.seen_at.index.narrow(0, row, 1).narrow(1, 0, seen)};
    alone.asked_at = {q.asked_at.index.narrow(0, row, 1)};
    CAPTURE(row);
    CHECK(largest_difference(answer[row], narrow.predict(alone)[0]) < 1e-5);
  }
  options.whole_grid = true;
  CHECK_FALSE(make(options).can_pack());
}

}  // namespace

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "windowed.h"

namespace {

using namespace cairn;
using transformer::Windowed;
using transformer::WindowedOptions;

WindowedOptions small_windowed(std::int64_t depth = 1) {
  WindowedOptions options;
  options.width = 16;
  options.depth = depth;
  options.heads = 4;
  options.distance_width = 8;
  return options;
}

TokenGrid mel_grid(std::int64_t frames = 8, std::int64_t mels = 4) {
  return {{frames, mels}, {Axis::time, Axis::frequency}};
}

Windowed make_windowed(const WindowedOptions& options, const TokenGrid& over = mel_grid()) {
  at::manual_seed(5);
  return Windowed(options, PredictorSetting{12, 10, {{over, ViewRole::global}}});
}

/// All places asked, some seen.
Question mel_question(const TokenGrid& over = mel_grid()) {
  at::manual_seed(6);
  Question q;
  q.seen.tokens = at::randn({1, 6, 12});
  q.seen_grid = q.asked_grid = over;
  q.seen_at = {at::tensor({1, 2, 7, 9, 20, 30}, at::kLong).view({1, 6})};
  return q;
}

/// Places whose answer moves when the first seen token, at place 1, does.
std::vector<std::int64_t> moved(Windowed& network, Question q) {
  const at::Tensor before = network.predict(q);
  q.seen.tokens = q.seen.tokens.clone();
  q.seen.tokens[0][0].add_(3.0);
  const at::Tensor far = (network.predict(q) - before).abs().amax(-1)[0].gt(1e-5).nonzero().flatten();
  return {far.const_data_ptr<std::int64_t>(), far.const_data_ptr<std::int64_t>() + far.numel()};
}

TEST_CASE("attention stays within windows, and shifted ones join their neighbours but not both ends") {
  Windowed one = make_windowed(small_windowed());
  CHECK(one.predict(mel_question()).sizes() == at::IntArrayRef({1, 32, 10}));
  std::vector<std::int64_t> first(16), all(32);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
  first.assign(all.begin(), all.begin() + 16);
  CHECK(moved(one, mel_question()) == first);  // the first four of eight frames
  // Rows 0 to 3, then windows of rows 2 to 5, and of 6, 7 and 0, 1 apart from each other.
  Windowed two = make_windowed(small_windowed(2));
  CHECK(moved(two, mel_question()) == std::vector<std::int64_t>(all.begin(), all.begin() + 24));
}

TEST_CASE("answers are those of the places asked about") {
  Windowed network = make_windowed(small_windowed(2));
  Question q = mel_question();
  const at::Tensor all = network.predict(q);
  q.asked_at = {at::tensor({31, 4, 9}, at::kLong).view({1, 3})};
  CHECK(at::allclose(network.predict(q), all.index_select(1, q.asked_at.index[0]), 1e-5, 1e-6));
}

TEST_CASE("an axis as short as a window is one window without a shift") {
  Windowed network = make_windowed(small_windowed(2), mel_grid(4, 8));
  CHECK(network.predict(mel_question(mel_grid(4, 8))).isfinite().all().item<bool>());
}

TEST_CASE("grids and questions it does not cover are refused") {
  CHECK_THROWS_WITH(make_windowed(small_windowed(), mel_grid(6, 4)), Catch::Contains("do not cover"));
  WindowedOptions options = small_windowed();
  options.heads = 5;
  CHECK_THROWS_AS(make_windowed(options), ConfigError);
  options = small_windowed();
  options.window = {4};
  CHECK_THROWS_WITH(make_windowed(options), Catch::Contains("two numbers"));
  CHECK_THROWS_WITH(make_windowed(small_windowed(), {{8}, {Axis::time}}), Catch::Contains("two axes"));
  options = small_windowed();
  options.mlp_ratio = 0.01;
  CHECK_THROWS_WITH(make_windowed(options), Catch::Contains("mlp_ratio"));
  CHECK_THROWS_WITH(make_windowed(small_windowed()).check({}, {0, 0, {}, Level::pooled, 0}),
                    Catch::Contains("whole views"));
  const std::vector<ViewLayout> views = {{mel_grid(8, 4)}, {mel_grid(4, 4)}};
  CHECK_THROWS_WITH(Windowed(small_windowed(), {8, 8, views}), Catch::Contains("covers one grid"));
  Windowed network = make_windowed(small_windowed());
  CHECK_THROWS_WITH(network.predict(mel_question(mel_grid(4, 8))), Catch::Contains("covers the grid"));
  Question q = mel_question();
  q.level = Level::pooled;
  CHECK_THROWS_AS(network.predict(q), Error);
}

}  // namespace

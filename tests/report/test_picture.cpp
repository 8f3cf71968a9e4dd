#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "report/picture.h"
#include "report/small_picture.h"
#include "support/temporary_folder.h"

using namespace cairn;
using cairn::test::TemporaryFolder;

TEST_CASE("picture: places of tokens cover whole patches") {
  const TokenGrid grid{{2, 3}, {Axis::height, Axis::width}};
  const at::Tensor index = at::tensor({0, 5}, at::kLong).unsqueeze(0);
  const at::Tensor places = token_places({index}, 0, grid, {4, 6});
  CHECK(places.sum().item<double>() == 2 * 4);
  CHECK(places[1][1].item<double>() == 1);
  CHECK(places[3][5].item<double>() == 1);
  CHECK(places[0][2].item<double>() == 0);
  CHECK(token_places({}, 0, grid, {4, 6}).min().item<double>() == 1);
}

TEST_CASE("picture: every kind of view becomes a flat picture") {
  const auto flat = [](at::IntArrayRef size, const std::vector<Axis>& axes) {
    return flatten_picture(colourise(at::rand(size), axes), axes);
  };
  CHECK(flat({3, 200, 240}, {Axis::height, Axis::width}).sizes() == at::IntArrayRef({200, 240, 3}));
  CHECK(flat({3, 40, 80}, {Axis::height, Axis::width}).sizes() == at::IntArrayRef({160, 320, 3}));
  CHECK(flat({1, 64, 160}, {Axis::time, Axis::frequency}).sizes() == at::IntArrayRef({320, 128, 3}));
  CHECK(flat({3, 16, 160, 160}, {Axis::time, Axis::height, Axis::width}).sizes() == at::IntArrayRef({160, 1280, 3}));
  CHECK(flat({2, 500}, {Axis::time}).size(2) == 3);
}

TEST_CASE("picture: frequency runs upwards and time to the right") {
  at::Tensor shown = at::zeros({1, 200, 160});
  shown[0][199][0] = 1;  // the last moment, the lowest band
  const std::vector<Axis> axes = {Axis::time, Axis::frequency};
  const at::Tensor picture = flatten_picture(colourise(shown, axes), axes).to(at::kInt).sum(2);
  CHECK(picture.argmax().item<std::int64_t>() == 159 * 200 + 199);
}

TEST_CASE("picture: tokens lie where their pixels lie") {
  const TokenGrid spectrogram{{4, 2}, {Axis::time, Axis::frequency}};
  const at::Tensor weight =
      at::zeros({8}).index_fill_(0, at::tensor({6}, at::kLong), 1.0);  // the last moment, the lower band
  const at::Tensor pixels = spread_tokens(weight, spectrogram, {16, 8}).unsqueeze(0);
  const at::Tensor tokens = lay_flat(weight.view({1, 4, 2}), spectrogram.axes);
  REQUIRE(tokens.sizes() == at::IntArrayRef({1, 2, 4}));
  CHECK(tokens[0][1][3].item<double>() == 1.0);
  CHECK(at::equal(at::max_pool2d(lay_flat(pixels, spectrogram.axes), 4), tokens));

  const std::vector<Axis> video = {Axis::time, Axis::height, Axis::width};
  const at::Tensor frames = at::arange(20, at::kFloat).view({1, 20, 1, 1}).expand({1, 20, 2, 3});
  const at::Tensor slices = at::arange(10, at::kFloat).view({1, 10, 1, 1}).expand({1, 10, 2, 3});
  CHECK(lay_flat(frames, video).sizes() == at::IntArrayRef({1, 2, 24}));
  CHECK(at::equal(lay_flat(frames, video).div(2, "floor"), lay_flat(slices, video)));
}

TEST_CASE("picture: a small one keeps whole pixels of every token") {
  const TokenGrid narrow{{8, 32}, {Axis::time, Axis::frequency}};  // of 768 moments and 128 bands
  const at::Tensor small = shrink(at::rand({3, 768, 128}), narrow);
  CHECK(small.size(1) % 8 == 0);
  CHECK(small.size(2) % 32 == 0);
  CHECK(small.size(1) < 768);
  CHECK(cut_token(small, narrow, 255).numel() > 0);

  const at::Tensor already = at::rand({3, 32, 32});
  CHECK(at::equal(shrink(already, {{8, 8}, {Axis::height, Axis::width}}), already));
  CHECK(shrink(at::rand({3, 2, 5000}), {{50}, {Axis::time}}).sizes() == at::IntArrayRef({3, 2, 1000}));

  const TokenGrid video{{4, 2, 2}, {Axis::time, Axis::height, Axis::width}};
  const at::Tensor clip = at::arange(8, at::kFloat).view({1, 8, 1, 1}).expand({3, 8, 128, 128});
  const at::Tensor frames = shrink(clip, video);
  CHECK(frames.size(1) == 4);
  CHECK(frames.size(2) < 128);
  const at::Tensor patch = cut_token(frames, video, 2 * 4 + 3);
  CHECK(patch.sizes() == at::IntArrayRef({3, 1, frames.size(2) / 2, frames.size(3) / 2}));
  CHECK(at::allclose(patch, at::full({1}, 5.0F)));  // the middle of frames 4 and 5
}

TEST_CASE("picture: a context shows what it sees and what it alone is asked") {
  const TokenGrid grid{{2, 2}, {Axis::height, Axis::width}};
  const auto token = [](std::int64_t id) { return TokenSet{at::tensor({id}, at::kLong).unsqueeze(0)}; };
  Plan plan;
  plan.contexts = {{0, {}, token(1)}, {0, token(3), {}}};
  plan.queries = {{0, 0, token(1)}, {1, 0, token(0)}};
  const at::Tensor white = at::ones({3, 4, 4});
  const at::Tensor first = context_colours(white, grid, plan, 0, 0);
  CHECK(first[2][0][0].item<double>() == Approx(1.0));
  CHECK(first[2][3][3].item<double>() == Approx(1.0));
  CHECK(first[2][0][3].item<double>() < 0.5);                                // hidden among the visible
  CHECK(first[0][0][3].item<double>() > 2 * first[2][0][3].item<double>());  // and asked about: orange
  const at::Tensor second = context_colours(white, grid, plan, 1, 0);
  CHECK(second[2][3][3].item<double>() == Approx(1.0));
  CHECK(second[0][0][3].item<double>() == Approx(second[2][0][3].item<double>()));  // dark, not asked
}

TEST_CASE("picture: what cannot be written is an error") {
  TemporaryFolder folder;
  write_png(folder / "a.png", at::zeros({4, 5, 3}, at::kByte));
  CHECK(std::filesystem::file_size(folder / "a.png") > 8);
  CHECK_THROWS_AS(write_png(folder / "none" / "a.png", at::zeros({4, 5, 3}, at::kByte)), Error);
  CHECK_THROWS_AS(sheet({}), Error);
}

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "report/picture.h"
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

TEST_CASE("picture: what cannot be written is an error") {
  TemporaryFolder folder;
  write_png(folder / "a.png", at::zeros({4, 5, 3}, at::kByte));
  CHECK(std::filesystem::file_size(folder / "a.png") > 8);
  CHECK_THROWS_AS(write_png(folder / "none" / "a.png", at::zeros({4, 5, 3}, at::kByte)), Error);
  CHECK_THROWS_AS(sheet({}), Error);
}

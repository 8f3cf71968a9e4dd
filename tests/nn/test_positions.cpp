#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "cairn/error.h"
#include "cairn/nn/positions.h"

namespace {

using namespace cairn;
using nn::PositionOrder;

/// The table's row equals the values to 5 decimals.
bool row_is(const at::Tensor& table, std::int64_t row, const std::vector<double>& values) {
  const at::Tensor wanted = at::tensor(values, at::kDouble);
  return table.size(1) == wanted.size(0) && (table[row].to(at::kDouble) - wanted).abs().max().item<double>() < 6e-6;
}

at::Tensor grid(std::vector<std::int64_t> extent, std::int64_t width, PositionOrder order, bool uniform = true) {
  return nn::sincos_grid(extent, width, {order, uniform});
}

const std::vector<double> kTwo = {0.90930, 0.02000, -0.41615, 0.99980};
const std::vector<double> kOne = {0.84147, 0.01000, 0.54030, 0.99995};

std::vector<double> joined(std::vector<double> a, const std::vector<double>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST_CASE("I-JEPA writes x first, V-JEPA y first") {
  const std::int64_t row1_column2 = 1 * 5 + 2;
  CHECK(row_is(grid({4, 5}, 8, PositionOrder::xy), row1_column2, joined(kTwo, kOne)));
  CHECK(row_is(grid({4, 5}, 8, PositionOrder::yx), row1_column2, joined(kOne, kTwo)));
}

TEST_CASE("V-JEPA's three axes") {
  const std::int64_t token = (1 * 4 + 2) * 5 + 3;  // time 1, row 2, column 3 of a 3 x 4 x 5 grid
  for (const PositionOrder order : {PositionOrder::xy, PositionOrder::yx}) {
    CHECK(
        row_is(grid({3, 4, 5}, 12, order), token,
               {0.84147, 0.01, 0.54030, 0.99995, 0.90930, 0.02, -0.41615, 0.99980, 0.14112, 0.03, -0.98999, 0.99955}));
    // Some of these golden values have only four decimals.
    CHECK((grid({3, 4, 5}, 16, order)[token].to(at::kDouble) -
           at::tensor({0.84147, 0.0464, 0.00215, 0.5403, 0.99892, 1.0, 0.9093, 0.0927, 0.00431, -0.41615, 0.99569,
                       0.99999, 0.14112, 0.1388, 0.00646, -0.98999},
                      at::kDouble))
              .abs()
              .max()
              .item<double>() < 6e-5);
    CHECK(row_is(grid({3, 4, 5}, 16, order, false), token,
                 {0.84147, 0.09983, 0.01, 0.001, 0.5403, 0.995, 0.99995, 1.0, 0.9093, 0.02, -0.41615, 0.9998, 0.14112,
                  0.03, -0.98999, 0.99955}));
  }
}

TEST_CASE("one axis, and four") {
  CHECK(row_is(grid({5}, 4, PositionOrder::xy), 2, kTwo));
  const at::Tensor four = grid({2, 3, 4, 5}, 16, PositionOrder::xy);
  CHECK(four.sizes() == at::IntArrayRef({120, 16}));
  CHECK(std::get<0>(at::unique_dim(four, 0)).size(0) == 120);  // every place has its own vector
}

TEST_CASE("unequal shares that do not divide the width are refused") {
  CHECK_THROWS_AS(grid({2, 2, 2}, 12, PositionOrder::yx, false), ConfigError);
}

TEST_CASE("a width too small for the number of axes is refused") {
  CHECK_THROWS_AS(grid({2, 3, 4, 5}, 10, PositionOrder::xy), ConfigError);
}

TEST_CASE("tables are made once for each grid, and gathered by token id") {
  nn::PositionTables tables(8, {});
  const TokenGrid small{{2, 3}, {Axis::height, Axis::width}}, large{{4, 4}, {Axis::height, Axis::width}};
  const at::Tensor first = tables.table(small, at::kCPU);
  CHECK(tables.table(large, at::kCPU).size(0) == 16);
  CHECK(tables.table(small, at::kCPU).is_same(first));
  CHECK(tables.positions(small, {}, at::kCPU).sizes() == at::IntArrayRef({1, 6, 8}));
  const at::Tensor ids = at::tensor({5, 0, 3, 3}, at::kLong).view({2, 2});
  const at::Tensor some = tables.positions(small, {ids}, at::kCPU);
  CHECK(at::equal(some[0][0], first[5]));
  CHECK(at::equal(some[1][1], first[3]));
}

TEST_CASE("VideoMAE's running numbers: sines and cosines in turn") {
  const at::Tensor table = nn::sincos_flat(4, 6);
  for (int position = 0; position < 4; ++position)
    for (int j = 0; j < 6; ++j) {
      const double angle = position / std::pow(10000.0, 2.0 * (j / 2) / 6.0);
      CHECK(table[position][j].item<double>() == Approx(j % 2 ? std::cos(angle) : std::sin(angle)).margin(1e-6));
    }
  nn::PositionTables flat(6, {PositionOrder::xy, true, true});
  const TokenGrid square{{2, 2}, {Axis::height, Axis::width}};
  CHECK(at::equal(flat.positions(square, {}, at::kCPU)[0], table));
}

const TokenGrid kLine{{8}, {Axis::time}};
const TokenGrid kVolume{{4, 3, 5}, {Axis::time, Axis::height, Axis::width}};

/// [B,N] token ids of one row.
TokenSet ids(const std::vector<std::int64_t>& list) { return {at::tensor(list, at::kLong).unsqueeze(0)}; }

TEST_CASE("both layouts of rotary angles") {
  const at::Tensor x = at::tensor({1.0F, 2.0F, 3.0F, 4.0F}).view({1, 1, 1, 4});
  const auto turned = [&](nn::RotaryLayout layout) {
    return nn::rotate(x, nn::RotaryTables(4, layout).rotation(kLine, ids({3}), 0, at::kCPU)).view({1, 4});
  };
  CHECK(row_is(turned(nn::RotaryLayout::tiled), 0, {-1.27223, 2.02910, -3.53446, 4.08819}));
  CHECK(row_is(turned(nn::RotaryLayout::paired), 0, {-1.27223, -1.83886, 2.87867, 4.08819}));
}

TEST_CASE("paired rotary positions keep lengths, and only differences of places count") {
  at::manual_seed(5);
  const at::Tensor q = at::randn({1, 2, 1, 20}), k = at::randn({1, 2, 1, 20});
  nn::RotaryTables tables(20, nn::RotaryLayout::paired);
  const auto score = [&](std::int64_t at_q, std::int64_t at_k) {
    const at::Tensor a = nn::rotate(q, tables.rotation(kVolume, ids({at_q}), 0, at::kCPU));
    const at::Tensor b = nn::rotate(k, tables.rotation(kVolume, ids({at_k}), 0, at::kCPU));
    CHECK((a.norm() - q.norm()).abs().item<double>() < 1e-5);
    return (a * b).sum(-1);
  };
  const auto token = [](std::int64_t t, std::int64_t y, std::int64_t x) { return (t * 3 + y) * 5 + x; };
  const at::Tensor first = score(token(0, 0, 1), token(2, 1, 3));
  CHECK(at::allclose(first, score(token(1, 1, 2), token(3, 2, 4)), 1e-4, 1e-5));
  CHECK_FALSE(at::allclose(first, score(token(0, 0, 1), token(2, 1, 4)), 1e-4, 1e-5));
}

TEST_CASE("rotations of some tokens are rows of those of all; tokens without a place do not turn") {
  at::manual_seed(6);
  const at::Tensor x = at::randn({2, 3, 60, 13});  // an odd head, and features left over
  nn::RotaryTables tables(13, nn::RotaryLayout::tiled);
  const at::Tensor all = nn::rotate(x, tables.rotation(kVolume, {}, 0, at::kCPU));
  CHECK(at::equal(all.narrow(3, 12, 1), x.narrow(3, 12, 1)));
  const at::Tensor some = at::tensor({7, 59, 0, 31, 31, 2}, at::kLong).view({2, 3});
  const at::Tensor index = some.view({2, 1, 3, 1}).expand({-1, 3, -1, 13});
  const nn::Rotation turn = tables.rotation(kVolume, {some}, 0, at::kCPU);
  CHECK(at::equal(nn::rotate(x.gather(2, index), turn), all.gather(2, index)));

  const at::Tensor led = at::cat({at::randn({2, 3, 2, 13}), x.gather(2, index)}, 2);
  const at::Tensor turned = nn::rotate(led, tables.rotation(kVolume, {some}, 2, at::kCPU));
  CHECK(at::equal(turned.narrow(2, 0, 2), led.narrow(2, 0, 2)));
  CHECK(at::equal(turned.narrow(2, 2, 3), all.gather(2, index)));

  const nn::Rotation both = nn::join(turn, tables.rotation(kVolume, {}, 0, at::kCPU));
  CHECK(at::equal(nn::rotate(x, both), all));  // of more tokens than there are: the last ones count
}

TEST_CASE("a reference grid spreads the places of rows and columns, not of time") {
  nn::RotaryTables plain(12, nn::RotaryLayout::paired), spread(12, nn::RotaryLayout::paired, 5);
  const TokenGrid coarse{{4, 3, 3}, {Axis::time, Axis::height, Axis::width}};
  const TokenGrid fine{{4, 5, 5}, {Axis::time, Axis::height, Axis::width}};
  const auto token = [](std::int64_t t, std::int64_t y, std::int64_t x, std::int64_t side) {
    return ids({(t * side + y) * side + x});
  };
  const nn::Rotation a = spread.rotation(coarse, token(3, 1, 2, 3), 0, at::kCPU);
  const nn::Rotation b = plain.rotation(fine, token(3, 2, 4, 5), 0, at::kCPU);
  CHECK(at::allclose(a.cosine, b.cosine, 0, 1e-6));
  CHECK(at::allclose(a.sine, b.sine, 0, 1e-6));
}

TEST_CASE("heads too narrow for rotary positions are refused") {
  nn::RotaryTables tables(4, nn::RotaryLayout::paired);
  CHECK_THROWS_AS(tables.rotation(kVolume, {}, 0, at::kCPU), ConfigError);
}

TEST_CASE("learned positions are resized along one to three axes") {
  at::manual_seed(7);
  const std::vector<Axis> axes = {Axis::time, Axis::height, Axis::width};
  for (std::size_t count = 1; count <= 3; ++count) {
    const std::vector<Axis> own(axes.end() - static_cast<std::ptrdiff_t>(count), axes.end());
    const TokenGrid from{std::vector<std::int64_t>(count, 3), own}, to{std::vector<std::int64_t>(count, 5), own};
    const at::Tensor table = at::randn({1, from.count(), 4});
    CHECK(at::equal(nn::learned_positions(table, from, from, {}, {}), table));
    const at::Tensor grown = nn::learned_positions(table, from, to, {}, {});
    CHECK(grown.sizes() == at::IntArrayRef({1, to.count(), 4}));
    const at::Tensor constant = nn::learned_positions(at::ones_like(table), from, to, {}, {});
    CHECK(at::allclose(constant, at::ones_like(constant)));
    const at::Tensor pick = at::tensor({4, 0, 1, 1}, at::kLong).view({2, 2});
    const at::Tensor some = nn::learned_positions(table, from, to, {pick}, {});
    CHECK(at::equal(some[0][0], grown[0][4]));
    CHECK(at::equal(some[1][1], grown[0][1]));
  }
  const TokenGrid square{{3, 3}, {Axis::height, Axis::width}}, wide{{2, 7}, {Axis::height, Axis::width}};
  const at::Tensor table = at::randn({1, 9, 4});
  const at::Tensor plain = nn::learned_positions(table, square, wide, {}, {});
  CHECK_FALSE(at::allclose(plain, nn::learned_positions(table, square, wide, {}, {true, 0.0}), 1e-3, 1e-3));
  CHECK_FALSE(at::allclose(plain, nn::learned_positions(table, square, wide, {}, {false, 0.1}), 1e-3, 1e-3));
  CHECK_THROWS_AS(nn::learned_positions(table, square, kLine, {}, {}), Error);
}

}  // namespace

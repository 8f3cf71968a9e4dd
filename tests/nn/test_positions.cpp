#include <ATen/ATen.h>

#include <catch2/catch.hpp>

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

}  // namespace

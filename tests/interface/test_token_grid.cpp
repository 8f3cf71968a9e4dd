#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "cairn/token_grid.h"

using namespace cairn;

TEST_CASE("a tokenizer cuts a view into its grid", "[token_grid]") {
  const TokenizerSpec spec{3, {2, 16, 16}, {Axis::time, Axis::height, Axis::width}};
  const TokenGrid grid = spec.grid({16, 224, 112});
  REQUIRE(grid.extent == std::vector<std::int64_t>{8, 14, 7});
  REQUIRE(grid.count() == 8 * 14 * 7);
  REQUIRE(grid.text() == "8 x 14 x 7");
  REQUIRE(spec.values() == 3 * 2 * 16 * 16);
}

TEST_CASE("a patch that does not divide its axis is an error that names both", "[token_grid]") {
  const TokenizerSpec spec{3, {16, 16}, {Axis::height, Axis::width}};
  REQUIRE_THROWS_WITH(spec.grid({224, 220}), Catch::Contains("patch of 16") && Catch::Contains("width of 220"));
  REQUIRE_THROWS_AS(spec.grid({8, 8}), ConfigError);
  REQUIRE_THROWS_WITH(spec.grid({8, 224, 224}), Catch::Contains("patches of 2 axes cannot divide data of 3"));
}

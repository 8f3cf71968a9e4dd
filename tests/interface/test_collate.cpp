#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "support/toy.h"

using namespace cairn;

TEST_CASE("a sample that lacks what another carries is an error that names it", "[modality]") {
  const test::ToyModality modality;
  const at::Tensor view = at::zeros({1, 4, 4});
  Sample full{{view}, 0, 0, {{"weight", at::ones({})}}};
  REQUIRE(modality.collate({full, full}, Purpose::evaluate).extra.at("weight").sizes() == at::IntArrayRef({2}));
  const Sample plain{{view}, 1, 0, {}};
  REQUIRE_THROWS_WITH(modality.collate({full, plain}, Purpose::evaluate), Catch::Contains("has no 'weight'"));
}

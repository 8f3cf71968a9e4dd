#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "evaluate/tsne.h"
#include "support/threads.h"

using namespace cairn;

namespace {

/// Rows around `groups` far points, those of a group beside each other.
at::Tensor clustered(std::int64_t groups, std::int64_t each, std::int64_t width) {
  at::manual_seed(3);
  const at::Tensor centres = 3.0 * at::randn({groups, width});
  return centres.repeat_interleave(each, 0) + at::randn({groups * each, width});
}

/// Share of rows whose nearest other row is of their group.
double kept_together(const at::Tensor& plane, std::int64_t each) {
  const at::Tensor distance = at::cdist(plane, plane).fill_diagonal_(1e9);
  const at::Tensor group = at::arange(plane.size(0), at::kLong).div(each, "floor");
  return distance.argmin(1).div(each, "floor").eq(group).to(at::kDouble).mean().item<double>();
}

}  // namespace

TEST_CASE("t-SNE keeps groups together that two principal directions mix") {
  const test::Threads alone(1);  // for matrices this small, several only wait for one another
  const at::Tensor rows = clustered(20, 5, 24);
  const at::Tensor plane = tsne(rows);
  REQUIRE(plane.sizes() == at::IntArrayRef({100, 2}));
  CHECK(kept_together(plane, 5) == 1.0);
  CHECK(kept_together(principal_scores(rows, 2), 5) < 0.9);
  CHECK(at::equal(plane, tsne(rows)));
  CHECK(kept_together(tsne(1000.0 * rows), 5) == 1.0);  // widths follow the distances
}

TEST_CASE("t-SNE of few, equal and wrong rows") {
  const test::Threads alone(1);
  CHECK(at::isfinite(tsne(clustered(2, 4, 3))).all().item<bool>());
  CHECK(at::isfinite(tsne(at::ones({20, 3}))).all().item<bool>());
  CHECK(at::isfinite(tsne(at::cat({at::zeros({15, 3}), 1e6 * at::ones({15, 3})}))).all().item<bool>());
  CHECK_THROWS_AS(tsne(at::ones({7, 3})), Error);
}

TEST_CASE("principal scores are ordered by variance and do not depend on a sign") {
  at::manual_seed(4);
  const at::Tensor rows = at::randn({50, 3}) * at::tensor({1.0F, 5.0F, 3.0F});
  const at::Tensor scores = principal_scores(rows, 2);
  CHECK(
      std::abs(at::corrcoef(at::stack({scores.select(1, 0), rows.select(1, 1).to(at::kDouble)}))[0][1].item<double>()) >
      0.99);
  CHECK(scores.select(1, 0).std().item<double>() > scores.select(1, 1).std().item<double>());
  CHECK(at::allclose(principal_scores(-rows, 2), -scores));
  CHECK(principal_scores(rows, 5).sizes() == at::IntArrayRef({50, 5}));
}

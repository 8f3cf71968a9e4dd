#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "evaluate/metrics.h"
#include "evaluate/task.h"

using namespace cairn;

TEST_CASE("average precision is scikit-learn's") {
  // sklearn.metrics.average_precision_score of the same numbers.
  const at::Tensor truth = at::tensor({0.0F, 0.0F, 1.0F, 1.0F});
  CHECK(average_precision(at::tensor({0.1F, 0.4F, 0.35F, 0.8F}), truth) == Approx(0.8333333333));
  CHECK(average_precision(at::tensor({0.5F, 0.5F, 0.5F, 0.5F}), truth) == Approx(0.5));
  CHECK(average_precision(at::tensor({0.9F, 0.5F, 0.5F, 0.1F}), truth) == Approx(0.4166666667));
  CHECK(average_precision(truth, truth) == Approx(1.0));
  CHECK(average_precision(truth, at::zeros({4})) == 0.0);
  const at::Tensor scores = at::tensor({0.1F, 0.4F, 0.35F, 0.8F}).unsqueeze(1).expand({4, 3});
  const at::Tensor several = at::stack({truth, at::zeros({4}), 1 - truth}, 1);
  CHECK(mean_average_precision(scores, several) == Approx((0.8333333333 + 0.5) / 2.0));
  CHECK_THROWS_AS(mean_average_precision(scores, truth), Error);
}

TEST_CASE("explained variance and absolute error, column by column") {
  const at::Tensor truth = at::tensor({1.0F, 7.0F, 2.0F, 7.0F, 3.0F, 7.0F}).view({3, 2});
  CHECK(explained_variance(truth, truth) == std::vector<double>{1.0, 0.0});
  CHECK(explained_variance(at::full({3, 2}, 2.0), truth)[0] == Approx(0.0).margin(1e-9));
  CHECK(explained_variance(truth + 1.0, truth)[0] == Approx(-0.5));
  CHECK(absolute_error(truth + 0.5, truth) == std::vector<double>{0.5, 0.5});
  CHECK(quality(Task::values, truth, truth) == Approx(0.5));
}

TEST_CASE("boxes overlap by their share of the union, within a frame") {
  const FrameBox left{0, {0.0, 0.0, 0.5, 1.0}}, right{0, {0.25, 0.0, 0.75, 1.0}};
  CHECK(overlap(left, left) == Approx(1.0));
  CHECK(overlap(left, right) == Approx(1.0 / 3.0));
  CHECK(overlap(left, {1, left.edges}) == 0.0);
  CHECK(overlap(left, {0, {0.6, 0.0, 1.0, 1.0}}) == 0.0);
}

TEST_CASE("frame mAP matches each true box once, the surest detection first") {
  const std::vector<FrameBox> truth = {{0, {0.0, 0.0, 0.4, 0.4}}, {0, {0.5, 0.5, 1.0, 1.0}}, {1, {0.0, 0.0, 1.0, 1.0}}};
  const at::Tensor labels = at::tensor({1.0F, 0.0F, 1.0F, 0.0F, 0.0F, 0.0F}).view({3, 2});
  // Given the true boxes, ranking alone decides: right, wrong frame, right gives precisions 1 and 2/3.
  const at::Tensor ranked = at::tensor({0.9F, 0.0F, 0.3F, 0.0F, 0.5F, 0.0F}).view({3, 2});
  CHECK(frame_map(truth, ranked, truth, labels) == Approx((1.0 + 2.0 / 3.0) / 2.0));
  // A second detection of a box that is taken is wrong; so is one that overlaps too little.
  const std::vector<FrameBox> found = {truth[0], truth[0], {0, {0.5, 0.5, 0.7, 0.7}}};
  const at::Tensor sure = at::tensor({0.9F, 0.0F, 0.8F, 0.0F, 0.7F, 0.0F}).view({3, 2});
  CHECK(frame_map(found, sure, truth, labels) == Approx(0.5));
  CHECK(frame_map(found, sure, truth, at::zeros({3, 2})) == 0.0);
  CHECK_THROWS_AS(frame_map(found, sure.narrow(0, 0, 2), truth, labels), Error);
}

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <limits>

#include "cairn/error.h"
#include "evaluate/regions.h"

namespace {

using namespace cairn;

TokenGrid film_grid(std::int64_t time, std::int64_t height, std::int64_t width) {
  return {{time, height, width}, {Axis::time, Axis::height, Axis::width}};
}

/// Boxes [K,4], each of the row of the same number unless all are of the first.
Regions regions(const std::vector<std::vector<float>>& boxes, std::int64_t rows = 1) {
  std::vector<at::Tensor> edges;
  for (const auto& box : boxes) edges.push_back(at::tensor(box));
  const auto count = static_cast<std::int64_t>(boxes.size());
  return {at::arange(count, at::kLong).remainder(rows), at::stack(edges), at::zeros({count, 1})};
}

/// Pictures [1,4,4] with index mod 3 + 1 boxes; sample 2 cannot be read.
class BoxedSource : public SampleSource {
 public:
  std::int64_t size() const override { return 7; }
  Sample load(std::int64_t index, Rng&) const override {
    if (index == 2) throw DataError("broken");
    Sample sample;
    sample.id = index;
    sample.views = {at::full({1, 4, 4}, static_cast<double>(index))};
    at::Tensor boxes = at::full({3, 4}, std::numeric_limits<double>::quiet_NaN()),
               labels = boxes.narrow(1, 0, 2).clone();
    for (std::int64_t k = 0; k <= index % 3; ++k) {
      boxes[k] = at::tensor({0.0, 0.25 * static_cast<double>(k), 0.5, 1.0});
      labels[k] = at::tensor({k == 0 ? 1.0 : 0.0, 1.0});
    }
    sample.extra = {{"boxes", boxes}, {"box_labels", labels}};
    return sample;
  }
  std::string name(std::int64_t index) const override { return "picture " + std::to_string(index); }
  std::vector<std::string> classes() const override { return {"first", "any"}; }
};

class BoxedModality : public Modality {
 public:
  std::unique_ptr<SampleSource> open(Split, Purpose) const override { return std::make_unique<BoxedSource>(); }
  TokenizerSpec tokenizer() const override { return {1, {2, 2}, {Axis::height, Axis::width}}; }
  std::vector<ViewLayout> views(Purpose) const override { return {{tokenizer().grid({4, 4}), ViewRole::global}}; }
};

}  // namespace

TEST_CASE("regions are read between tokens, the mean over time, row by row") {
  // Column, and row, of each token; the second moment adds 10 to the column.
  const at::Tensor column = at::arange(4.0).view({1, 1, 4}) + at::tensor({0.0, 10.0}).view({2, 1, 1});
  const at::Tensor lattice =
      at::stack({column.expand({2, 4, 4}), at::arange(4.0).view({1, 4, 1}).expand({2, 4, 4})}, 3);  // [T,H,W,D]
  const at::Tensor tokens = lattice.reshape({1, 32, 2}).to(at::kFloat);
  // From a quarter to three quarters lie the edges between tokens 0 and 1, and 2 and 3: the cells lie on tokens.
  const at::Tensor middle = align_regions(tokens, film_grid(2, 4, 4), regions({{0.25F, 0.25F, 0.75F, 0.75F}}), 2);
  CHECK(middle.allclose(at::tensor({6.0F, 1.0F, 7.0F, 1.0F, 6.0F, 2.0F, 7.0F, 2.0F}).view({1, 4, 2})));
  // At the border the outer points see the outermost tokens alone.
  const at::Tensor all = align_regions(tokens, film_grid(2, 4, 4), regions({{0.0F, 0.0F, 1.0F, 1.0F}}), 4);
  CHECK(all[0].narrow(0, 0, 4).select(1, 0).allclose(at::tensor({5.125F, 6.0F, 7.0F, 7.875F})));
  CHECK(align_regions(tokens, film_grid(2, 4, 4), regions({{0.1F, 0.2F, 0.3F, 0.9F}})).sizes() ==
        at::IntArrayRef({1, 49, 2}));
}

TEST_CASE("regions are torchvision's") {
  // torchvision 0.26: ops.roi_align(mean over time, box in tokens, 2, 1.0, sampling_ratio=2, aligned=True).
  const at::Tensor tokens = ((at::arange(72, at::kLong) * 37).remainder(101).to(at::kFloat) / 10.0).view({1, 24, 3});
  const at::Tensor expected = at::tensor({4.4500F, 5.8523F, 3.7952F, 6.0500F, 4.9778F, 4.3348F, 6.2240F, 3.8135F,
                                          6.1500F, 4.9960F, 4.7065F, 6.3360F})
                                  .view({1, 4, 3});
  const at::Tensor found = align_regions(tokens, film_grid(2, 3, 4), regions({{0.1F, 0.2F, 0.9F, 1.0F}}), 2);
  CHECK(found.allclose(expected, 0.0, 1e-4));
}

TEST_CASE("each box is read from its own sample") {
  const at::Tensor tokens = at::stack({at::zeros({4, 1}), at::ones({4, 1})});
  const TokenGrid grid{{2, 2}, {Axis::height, Axis::width}};
  const Regions three = regions({{0, 0, 1, 1}, {0, 0, 1, 1}, {0, 0, 0.5F, 1}}, 2);
  CHECK(align_regions(tokens, grid, three, 1).flatten().equal(at::tensor({0.0F, 1.0F, 0.0F})));
  CHECK_THROWS_WITH(align_regions(tokens.narrow(1, 0, 3), grid, three), Catch::Contains("one token for each patch"));
  CHECK_THROWS_WITH(align_regions(tokens, {{2, 2}, {Axis::time, Axis::frequency}}, three),
                    Catch::Contains("no height and width"));
}

TEST_CASE("every box of every readable sample is a row") {
  const BoxedModality modality;
  const auto source = modality.open(Split::train, Purpose::evaluate);
  SampleReader reader(modality, *source, {1, 2, 3, 5}, /*batch_size=*/2, /*seed=*/0);
  const EmbedRegions embed = [](const View& view, const Regions& found) {
    return view.data.flatten(1).narrow(1, 0, 1).index_select(0, found.row);
  };
  const RegionFeatures found = collect_regions(reader, embed, at::kCPU, 2);
  CHECK(found.features.index == std::vector<std::int64_t>{1, 1, 3, 5, 5, 5});
  CHECK(found.features.x.flatten().equal(at::tensor({1.0F, 1.0F, 3.0F, 5.0F, 5.0F, 5.0F})));
  CHECK(found.features.y.select(1, 0).equal(at::tensor({1.0F, 0.0F, 1.0F, 1.0F, 0.0F, 0.0F})));
  CHECK(found.features.y.select(1, 1).equal(at::ones({6})));
  REQUIRE(found.boxes.size() == 6);
  CHECK(found.boxes[5].frame == 5);
  CHECK(found.boxes[5].edges == std::array<double, 4>{0.0, 0.5, 0.5, 1.0});
  CHECK(found.features.unreadable == 1);
  REQUIRE(reader.bad().size() == 1);
  CHECK(reader.bad()[0].name == "picture 2");
  CHECK(reader.bad()[0].reason == "broken");
  CHECK_THROWS_WITH(regions_of({}), Catch::Contains("carry no boxes"));
}

TEST_CASE("the interval of frame mAP draws frames") {
  const std::vector<FrameBox> boxes = {{0, {0, 0, 0.5, 1}}, {0, {0.5, 0, 1, 1}}, {1, {0, 0, 1, 1}}, {2, {0, 0, 1, 1}}};
  const at::Tensor truth = at::tensor({1.0F, 0.0F, 1.0F, 0.0F}).view({4, 1});
  const Interval right = frame_map_interval(boxes, truth, truth, 0);
  CHECK(right.value == Approx(1.0));
  CHECK(right.high == Approx(1.0));
  const Interval half = frame_map_interval(boxes, at::tensor({0.9F, 0.8F, 0.1F, 0.2F}).view({4, 1}), truth, 0);
  CHECK(half.value == Approx((1.0 + 0.5) / 2.0));
  CHECK(half.low < half.value);
  // One frame is drawn again and again, with both its boxes: no draw differs.
  const std::vector<FrameBox> alone = {boxes[0], boxes[1]};
  const at::Tensor wrong = at::tensor({0.1F, 0.9F}).view({2, 1});
  const Interval same = frame_map_interval(alone, wrong, truth.narrow(0, 0, 2), 0);
  CHECK(same.low == same.high);
  CHECK(same.value == Approx(0.5));
}

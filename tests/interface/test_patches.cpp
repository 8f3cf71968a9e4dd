#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/modality.h"

namespace {

using namespace cairn;

/// Cuts views of any shape; has no samples.
class Cutter : public Modality {
 public:
  explicit Cutter(TokenizerSpec spec) : spec_(std::move(spec)) {}
  std::unique_ptr<SampleSource> open(Split, Purpose) const override { return nullptr; }
  TokenizerSpec tokenizer() const override { return spec_; }
  std::vector<ViewLayout> views(Purpose) const override { return {}; }

 private:
  TokenizerSpec spec_;
};

struct Case {
  TokenizerSpec spec;
  std::vector<std::int64_t> size;
};

TEST_CASE("unpatch puts patches back, over any number of axes") {
  const std::vector<Case> cases = {{{2, {5}, {Axis::time}}, {15}},
                                   {{3, {2, 4}, {Axis::height, Axis::width}}, {6, 4}},
                                   {{1, {2, 3}, {Axis::time, Axis::frequency}}, {2, 9}},
                                   {{3, {2, 1, 2}, {Axis::time, Axis::height, Axis::width}}, {4, 3, 6}}};
  for (const auto& [spec, size] : cases) {
    const Cutter modality(spec);
    std::vector<std::int64_t> shape = {2, spec.channels};
    shape.insert(shape.end(), size.begin(), size.end());
    const View view{at::randn(shape), spec.grid(size), ViewRole::global};
    const at::Tensor patches = modality.patches(view);
    INFO(view.grid.text());
    REQUIRE(patches.sizes() == at::IntArrayRef({2, view.grid.count(), spec.values()}));
    CHECK(at::equal(modality.unpatch(patches, view.grid), view.data));
  }
}

TEST_CASE("a token holds one patch, its values by row and column, channel fastest") {
  const Cutter modality({3, {2, 2}, {Axis::height, Axis::width}});
  const at::Tensor data = at::arange(3 * 4 * 6, at::kFloat).view({1, 3, 4, 6});
  const at::Tensor patches = modality.patches({data, modality.tokenizer().grid({4, 6}), ViewRole::global});
  const at::Tensor one = patches[0][4].view({2, 2, 3});  // the second of three columns, in the second row
  CHECK(at::equal(one, data[0].narrow(1, 2, 2).narrow(2, 2, 2).permute({1, 2, 0})));
}

TEST_CASE("a view is shown between its extremes, each row by itself") {
  const Cutter modality({1, {2}, {Axis::time}});
  const at::Tensor data =
      at::stack({at::arange(8, at::kFloat), at::full({8}, 5.0)}).unsqueeze(1);  // the second is flat
  const at::Tensor shown = modality.display({data, modality.tokenizer().grid({8}), ViewRole::global});
  CHECK(shown.sizes() == data.sizes());
  CHECK(shown[0].min().item<double>() == 0.0);
  CHECK(shown[0].max().item<double>() == 1.0);
  CHECK(shown[1].abs().max().item<double>() == 0.0);
}

}  // namespace

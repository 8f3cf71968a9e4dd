#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include "cairn/cairn.h"

namespace cairn::test {

/// A data set of numbered samples: two classes, 4 x 4 values that depend on the index and on the draws made for it.
class ToySource : public SampleSource {
 public:
  ToySource(std::int64_t size, std::int64_t first_bad = -1, std::int64_t bad = 0)
      : size_(size), first_bad_(first_bad), bad_(bad) {}
  std::int64_t size() const override { return size_; }
  Sample load(std::int64_t index, Rng& rng) const override {
    if (first_bad_ >= 0 && index >= first_bad_ && index < first_bad_ + bad_) throw DataError("broken on purpose");
    at::Tensor view = at::empty({1, 4, 4});
    auto* values = view.mutable_data_ptr<float>();
    for (int i = 0; i < 16; ++i)
      values[i] = static_cast<float>(index % 2 ? i : 15 - i) / 16.0F + 0.1F * static_cast<float>(rng.normal());
    return {{view}, index, index % 2, {}};
  }
  std::string name(std::int64_t index) const override { return "toy #" + std::to_string(index); }
  std::vector<std::string> classes() const override { return {"even", "odd"}; }

 private:
  std::int64_t size_, first_bad_, bad_;
};

class ToyModality : public Modality {
 public:
  explicit ToyModality(std::int64_t size = 40, std::int64_t first_bad = -1, std::int64_t bad = 0, std::size_t views = 1)
      : size_(size), first_bad_(first_bad), bad_(bad), views_(views) {}
  std::unique_ptr<SampleSource> open(Split, Purpose) const override {
    return std::make_unique<ToySource>(size_, first_bad_, bad_);
  }
  TokenizerSpec tokenizer() const override { return {1, {2, 2}, {Axis::height, Axis::width}}; }
  std::vector<ViewLayout> views(Purpose) const override {
    return std::vector<ViewLayout>(views_, {tokenizer().grid({4, 4}), ViewRole::global});
  }

 private:
  std::int64_t size_, first_bad_, bad_;
  std::size_t views_;
};

/// Shows two random tokens of four and asks about the other two.
class ToyMasker : public Masker {
 public:
  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress&, Rng& rng) const override {
    std::vector<at::Tensor> seen, asked;
    for (std::int64_t b = 0; b < batch; ++b) {
      const at::Tensor order = at::tensor(rng.permutation(views[0].grid.count()), at::kLong);
      seen.push_back(order.narrow(0, 0, 2));
      asked.push_back(order.narrow(0, 2, 2));
    }
    return {{{0, {at::stack(seen)}, {}}}, {{0, 0, {at::stack(asked)}, Level::tokens, 0}}};
  }
};

}  // namespace cairn::test

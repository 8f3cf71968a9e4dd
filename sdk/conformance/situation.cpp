#include "conformance/situation.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "cairn/rng.h"

namespace cairn::conformance {
namespace {

/// A lattice: how it is cut, its extent in samples, and that of a small view.
struct Lattice {
  TokenizerSpec tokenizer;
  std::vector<std::int64_t> size, small;
};

std::vector<Lattice> lattices() {
  return {{{3, {4, 4}, {Axis::height, Axis::width}}, {32, 32}, {16, 16}},
          {{2, {4}, {Axis::time}}, {64}, {32}},
          {{1, {4, 4}, {Axis::time, Axis::frequency}}, {64, 32}, {32, 16}},
          {{3, {2, 4, 4}, {Axis::time, Axis::height, Axis::width}}, {8, 24, 24}, {4, 12, 12}}};
}

}  // namespace

std::vector<std::int64_t> Situation::size(std::size_t number) const {
  std::vector<std::int64_t> size = views[number].grid.extent;
  for (std::size_t axis = 0; axis < size.size(); ++axis) size[axis] *= tokenizer.patch[axis];
  return size;
}

View Situation::view(std::size_t number, std::int64_t batch, std::uint64_t seed) const {
  std::vector<std::int64_t> shape = {batch, tokenizer.channels};
  for (const std::int64_t extent : size(number)) shape.push_back(extent);
  at::Tensor data = at::empty(shape);
  Rng rng(seed, Stream::user, number);
  auto* values = data.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < data.numel(); ++i) values[i] = static_cast<float>(rng.normal());
  return {data, views[number].grid, views[number].role};
}

Situation make_situation(TokenizerSpec tokenizer, std::vector<ViewLayout> views) {
  std::string text;
  for (const ViewLayout& view : views)
    if (text.find(view.grid.text()) == std::string::npos) text += (text.empty() ? "" : " and ") + view.grid.text();
  text = fmt::format("{} {} of {} tokens", views.size(), views.size() == 1 ? "view" : "views", text);
  return {text, std::move(tokenizer), std::move(views)};
}

std::vector<Situation> standard_situations() {
  std::vector<Situation> all;
  for (const int kind : {0, 1, 2})
    for (const Lattice& lattice : lattices()) {
      const ViewLayout whole{lattice.tokenizer.grid(lattice.size), ViewRole::global};
      const ViewLayout small{lattice.tokenizer.grid(lattice.small), ViewRole::local};
      std::vector<ViewLayout> views = {whole};
      if (kind > 0) views.push_back(whole);
      if (kind > 1) views.insert(views.end(), {small, small});
      all.push_back(make_situation(lattice.tokenizer, std::move(views)));
    }
  return all;
}

std::vector<Situation> situations_with_views(int views) {
  std::vector<Situation> all;
  for (const Lattice& lattice : lattices())
    all.push_back(make_situation(lattice.tokenizer, std::vector<ViewLayout>(static_cast<std::size_t>(views),
                                                                            {lattice.tokenizer.grid(lattice.size)})));
  return all;
}

}  // namespace cairn::conformance

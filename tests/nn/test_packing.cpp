#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "cairn/error.h"
#include "cairn/nn/block.h"
#include "nn/autocast.h"
#include "nn/recompute.h"
#include "support/devices.h"
#include "support/tensors.h"
#include "train/flop_counter.h"

using namespace cairn;
using nn::Packing;
using test::largest_difference;

namespace {

const std::vector<std::int64_t> kLengths = {5, 1, 7, 3};
constexpr std::int64_t kRows = 4, kPlaces = 7, kWidth = 24;

Packing packing(at::Device device = at::kCPU) { return Packing({{2, {}}, {kPlaces, kLengths}}, kRows, device); }

/// Rows of two places that are full and seven that are not.
at::Tensor padded() { return at::randn({kRows, 2 + kPlaces, kWidth}); }

/// A row without its empty places.
at::Tensor row(const at::Tensor& x, std::int64_t number) {
  return x.narrow(0, number, 1).narrow(1, 0, 2 + kLengths[static_cast<std::size_t>(number)]);
}

nn::Rotation turns() {
  const at::Tensor angle = at::randn({kRows, 1, 2 + kPlaces, 4});
  return {angle.cos(), angle.sin()};
}

using Values = std::map<std::string, at::Tensor>;

void add_gradients(const nn::Blocks& blocks, Values& values) {
  for (const auto& parameter : blocks.named_parameters()) values[parameter.key()] = parameter.value().grad().clone();
}

/// The rows and all gradients, packed.
Values packed_pass(nn::Blocks& blocks, const at::Tensor& x, const nn::Rotation& rotation) {
  blocks.zero_grad();
  const Packing rows = packing(x.device());
  const at::Tensor out = rows.unpack(blocks.forward(rows.pack(x), nn::Arrangement{0, rotation, rows}));
  out.square().sum().backward();
  Values values;
  for (std::int64_t number = 0; number < kRows; ++number)
    values["row " + std::to_string(number)] = row(out, number).detach();
  add_gradients(blocks, values);
  return values;
}

/// The same, each row alone.
Values plain_pass(nn::Blocks& blocks, const at::Tensor& x, const nn::Rotation& rotation) {
  blocks.zero_grad();
  Values values;
  for (std::int64_t number = 0; number < kRows; ++number) {
    nn::Rotation own;
    const auto part = [&](const at::Tensor& t) {
      return t.narrow(0, number, 1).narrow(2, 0, 2 + kLengths[static_cast<std::size_t>(number)]);
    };
    if (rotation.defined()) own = {part(rotation.cosine), part(rotation.sine)};
    const at::Tensor out = blocks.forward(row(x, number), 0, own);
    out.square().sum().backward();
    values["row " + std::to_string(number)] = out.detach();
  }
  add_gradients(blocks, values);
  return values;
}

nn::BlockOptions packed_block() {
  nn::BlockOptions block;
  block.width = kWidth;
  block.heads = 3;
  block.hidden = 4 * kWidth;
  return block;
}

double relative(const at::Tensor& a, const at::Tensor& b) {
  return largest_difference(a, b) / (1e-3 + b.abs().max().item<double>());
}

}  // namespace

TEST_CASE("packing: rows end to end and back, with zeros in empty places") {
  const at::Tensor x = padded();
  const Packing rows = packing();
  REQUIRE(rows.starts() == std::vector<std::int64_t>{0, 7, 10, 19, 24});
  const at::Tensor packed = rows.pack(x);
  REQUIRE(packed.sizes() == at::IntArrayRef({1, 24, kWidth}));
  for (std::int64_t number = 0; number < kRows; ++number) {
    const std::int64_t start = rows.starts()[static_cast<std::size_t>(number)];
    CHECK(at::equal(packed.narrow(1, start, row(x, number).size(1)), row(x, number)));
  }
  const at::Tensor back = rows.unpack(packed);
  CHECK(at::equal(back, x * rows.filled().view({kRows, -1, 1})));
  CHECK(rows.filled().sum().item<std::int64_t>() == 24);
  const at::Tensor spread = rows.spread(at::arange(4.0).view({4, 1, 1}));
  CHECK(spread.view(-1).sum().item<double>() == 0 * 7 + 1 * 3 + 2 * 9 + 3 * 5);
}

TEST_CASE("packing: undefined where every row is full; lengths that do not fit are refused") {
  const at::Tensor x = padded();
  const Packing none({{2, {}}, {kPlaces, {}}}, kRows, at::kCPU);
  CHECK_FALSE(none.defined());
  CHECK(none.pack(x).is_same(x));
  CHECK(none.unpack(x).is_same(x));
  CHECK_THROWS_AS(Packing({{4, {1, 2}}}, 3, at::kCPU), Error);
  CHECK_THROWS_AS(Packing({{4, {1, 5}}}, 2, at::kCPU), Error);
  nn::Blocks blocks(packed_block(), 1);
  CHECK_THROWS_AS(blocks.forward(packing().pack(x), nn::Arrangement{2, {}, packing()}), Error);
}

TEST_CASE("packed rows give what each gives alone, and the gradients of all", "[devices]") {
  nn::BlockOptions scaled = packed_block(), uneven = packed_block();
  scaled.layer_scale = 0.5;
  scaled.gated = true;
  uneven.key_bias = false;
  for (const at::Device device : test::devices())
    for (const nn::BlockOptions& block : {packed_block(), scaled, uneven})
      for (const bool is_mixed : {false, true})
        for (const bool turns_keys : {false, true}) {
          CAPTURE(device.str(), block.gated, block.key_bias, is_mixed, turns_keys);
          at::manual_seed(3);
          nn::Blocks blocks(block, 2);
          blocks.to(device);
          const at::Tensor x = padded().to(device);
          nn::Rotation rotation = turns_keys ? turns() : nn::Rotation{};
          if (turns_keys) rotation = {rotation.cosine.to(device), rotation.sine.to(device)};
          const Autocast cast(device.type(), is_mixed);
          const Values packed = packed_pass(blocks, x, rotation), plain = plain_pass(blocks, x, rotation);
          REQUIRE(packed.size() == plain.size());
          for (const auto& [name, value] : plain) {
            CAPTURE(name);
            CHECK(relative(packed.at(name), value) < (is_mixed ? 0.05 : 2e-5));
          }
          const nn::RecomputeBlocks again(true);
          for (const auto& [name, value] : packed_pass(blocks, x, rotation)) {
            CAPTURE(name);
            CHECK(at::equal(value, packed.at(name)));
          }
        }
}

TEST_CASE("packed rows skip a branch as a whole") {
  nn::BlockOptions block = packed_block();
  block.drop_path = 0.5;
  nn::Blocks blocks(block, 2);
  const at::Tensor x = padded();
  const Packing rows = packing();
  const auto pass = [&] { return rows.unpack(blocks.forward(rows.pack(x), nn::Arrangement{0, {}, rows})); };
  blocks.eval();
  const at::Tensor first = blocks.all()[0]->forward(row(x, 2));
  blocks.train();
  int skipped = 0, kept = 0;
  for (int seed = 0; seed < 40; ++seed) {
    at::manual_seed(seed);
    // The first block skips nothing; where the second skips both branches, a row is what the first made of it.
    const at::Tensor same = (row(pass(), 2) - first).abs().amax(-1).lt(1e-5);
    skipped += same.all().item<bool>() ? 1 : 0;
    kept += same.any().item<bool>() ? 0 : 1;
  }
  CHECK(skipped > 2);
  CHECK(skipped + kept == 40);
}

TEST_CASE("self_mask refuses packed rows in training") {
  nn::BlockOptions block = packed_block();
  block.self_mask = 0.5;
  nn::Blocks blocks(block, 1);
  const Packing rows = packing();
  CHECK_THROWS_AS(blocks.forward(rows.pack(padded()), nn::Arrangement{0, {}, rows}), ConfigError);
}

TEST_CASE("operations of packed rows are counted for the pairs that there are") {
  nn::Blocks blocks(packed_block(), 1);
  const at::Tensor x = padded();
  const Packing rows = packing();
  const at::NoGradGuard no_grad;
  double alone = 0, packed = 0;
  {
    const FlopCounter counter;
    for (std::int64_t number = 0; number < kRows; ++number) blocks.forward(row(x, number));
    alone = counter.total();
  }
  {
    const FlopCounter counter;
    blocks.forward(rows.pack(x), nn::Arrangement{0, {}, rows});
    packed = counter.total();
  }
  CHECK(packed == alone);
}

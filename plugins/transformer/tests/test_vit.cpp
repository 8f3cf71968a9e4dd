#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "cairn/nn/tokens.h"
#include "support/tensors.h"
#include "vit.h"

namespace {

using namespace cairn;
using test::largest_difference;
using transformer::Vit;
using transformer::VitOptions;

VitOptions small_vit() {
  VitOptions options;
  options.preset = "";
  options.width = 48;
  options.depth = 3;
  options.heads = 3;
  return options;
}

TokenizerSpec images(std::int64_t patch = 4) { return {3, {patch, patch}, {Axis::height, Axis::width}}; }

Vit make(const VitOptions& options, const TokenizerSpec& tokenizer = images()) {
  at::manual_seed(11);
  return Vit(options, {tokenizer, {}});
}

View picture(std::int64_t batch = 2, std::int64_t height = 16, std::int64_t width = 12) {
  at::manual_seed(12);
  return {at::randn({batch, 3, height, width}), images().grid({height, width}), ViewRole::global};
}

std::int64_t parameters(const char* preset, const TokenizerSpec& tokenizer) {
  VitOptions options;
  options.preset = preset;
  const Vit vit(options, {tokenizer, {}});
  std::int64_t count = 0;
  for (const at::Tensor& parameter : vit.parameters()) count += parameter.numel();
  return count;
}

TEST_CASE("presets have the published numbers of parameters") {
  const TokenizerSpec video{3, {2, 16, 16}, {Axis::time, Axis::height, Axis::width}};
  CHECK(static_cast<double>(parameters("tiny", images(16))) == Approx(5.49e6).epsilon(0.001));
  CHECK(static_cast<double>(parameters("small", images(16))) == Approx(21.6e6).epsilon(0.002));
  CHECK(static_cast<double>(parameters("tiny", video)) == Approx(5.63e6).epsilon(0.001));
  const auto shape = [](const char* preset) {
    VitOptions options;
    options.preset = preset;
    return transformer::vit_shape(options);
  };
  CHECK(shape("giant").hidden == 6144);
  CHECK(shape("gigantic").hidden == 8192);
  CHECK(shape("huge").heads == 16);
}

TEST_CASE("a shape left open, or heads that do not divide the width, are refused") {
  VitOptions options = small_vit();
  options.width = 0;
  CHECK_THROWS_AS(make(options), ConfigError);
  options = small_vit();
  options.heads = 5;
  CHECK_THROWS_AS(make(options), ConfigError);
  options = small_vit();
  options.pool = transformer::Pool::cls;
  CHECK_THROWS_AS(make(options), ConfigError);
}

/// What `vit` must make of the tokens `ids`: all patches embedded, positions added, the others dropped, then the
/// blocks.
at::Tensor reference(const Vit& vit, const View& view, const at::Tensor& ids) {
  const at::NoGradGuard no_grad;
  const auto own = vit.named_parameters();
  nn::BlockOptions options;
  options.width = 48;
  options.heads = 3;
  options.hidden = 192;
  nn::Blocks blocks(options, 3);
  for (auto& parameter : blocks.named_parameters()) parameter.value().copy_(own["blocks." + parameter.key()]);
  const at::Tensor patches = nn::cut_patches(view.data, images());
  const at::Tensor embedded = at::linear(patches, own["patch_embed.weight"], own["patch_embed.bias"]);
  const at::Tensor placed = embedded + nn::sincos_grid(view.grid.extent, 48, {});
  const at::Tensor kept = placed.gather(1, ids.unsqueeze(-1).expand({-1, -1, 48}));
  return at::layer_norm(blocks.forward(kept), {48}, own["norm.weight"], own["norm.bias"], 1e-6);
}

TEST_CASE("a subset is encoded as if the other tokens were dropped after positions were added") {
  Vit vit = make(small_vit());
  const View view = picture();
  const at::Tensor ids = at::tensor({0, 5, 11, 2, 7, 10}, at::kLong).view({2, 3});
  const Encoded some = vit.encode(view, {{ids}, {}, {}});
  CHECK(largest_difference(some.tokens, reference(vit, view, ids)) < 1e-5);
  CHECK(largest_difference(some.pooled, some.tokens.mean(1)) < 1e-6);

  const at::Tensor order = at::arange(11, -1, -1, at::kLong).expand({2, 12}).contiguous();
  const Encoded whole = vit.encode(view, {}), turned = vit.encode(view, {{order}, {}, {}});
  CHECK(largest_difference(whole.tokens.flip(1), turned.tokens) < 1e-5);
  CHECK(largest_difference(whole.pooled, turned.pooled) < 1e-5);
}

TEST_CASE("tokens not seen have no influence, seen ones do") {
  Vit vit = make(small_vit());
  View view = picture();
  const Look look{{at::tensor({0, 1, 5, 0, 1, 5}, at::kLong).view({2, 3})}, {}, {}};
  const at::Tensor before = vit.encode(view, look).tokens.detach();
  view.data.narrow(2, 12, 4).fill_(9.0);  // the last row of patches
  CHECK(at::equal(vit.encode(view, look).tokens, before));
  view.data.narrow(2, 0, 4).fill_(9.0);
  CHECK(largest_difference(vit.encode(view, look).tokens, before) > 1e-3);
}

TEST_CASE("equal patches differ by their position, on any grid") {
  Vit vit = make(small_vit());
  for (const std::int64_t side : {8, 20}) {
    const View flat{at::ones({1, 3, side, side}), images().grid({side, side}), ViewRole::global};
    const at::Tensor tokens = vit.encode(flat, {}).tokens[0];
    CHECK(tokens.size(0) == side * side / 16);
    CHECK(largest_difference(tokens[0], tokens[1]) > 1e-2);
  }
}

TEST_CASE("video and waveforms") {
  const TokenizerSpec video{1, {2, 4, 4}, {Axis::time, Axis::height, Axis::width}};
  Vit vit = make(small_vit(), video);
  CHECK(vit.encode({at::randn({2, 1, 4, 8, 8}), video.grid({4, 8, 8}), {}}, {}).tokens.sizes() ==
        at::IntArrayRef({2, 8, 48}));
  const TokenizerSpec wave{1, {10}, {Axis::time}};
  Vit line = make(small_vit(), wave);
  CHECK(line.encode({at::randn({2, 1, 50}), wave.grid({50}), {}}, {}).tokens.sizes() == at::IntArrayRef({2, 5, 48}));
}

TEST_CASE("taps come before the final norm, without the class token") {
  VitOptions options = small_vit();
  options.class_token = true;
  options.pool = transformer::Pool::cls;
  Vit vit = make(options);
  const Encoded encoded = vit.encode(picture(), {{}, {}, {0, 2}});
  REQUIRE(encoded.taps.size() == 2);
  CHECK(encoded.taps[0].sizes() == encoded.tokens.sizes());
  CHECK(encoded.tokens.size(1) == 12);
  CHECK(largest_difference(at::layer_norm(encoded.taps[1], {48}, {}, {}, 1e-6), encoded.tokens) < 1e-4);
  CHECK(largest_difference(encoded.pooled, encoded.tokens.mean(1)) > 1e-3);
}

TEST_CASE("masked tokens say nothing of their content") {
  CHECK_THROWS_WITH(make(small_vit()).check({0, {}, {at::zeros({2, 1}, at::kLong)}}), Catch::Contains("mask_token"));
  CHECK_THROWS_AS(make(small_vit()).encode(picture(), {{}, {at::zeros({2, 1}, at::kLong)}, {}}), ConfigError);
  VitOptions options = small_vit();
  options.mask_token = true;
  Vit vit = make(options);
  View view = picture();
  const TokenSet masked{at::tensor({9, 10, 9, 11}, at::kLong).view({2, 2})};
  const at::Tensor plain = vit.encode(view, {}).tokens.detach(),
                   before = vit.encode(view, {{}, masked, {}}).tokens.detach();
  CHECK(largest_difference(plain, before) > 1e-3);
  view.data[0].narrow(1, 12, 4).narrow(2, 0, 8).fill_(5.0);  // patches 9 and 10 of row 0
  CHECK(at::equal(vit.encode(view, {{}, masked, {}}).tokens[0], before[0]));
  // Seen tokens in another order, one of them masked.
  const TokenSet visible{at::tensor({9, 3, 4, 0}, at::kLong).view({2, 2})};
  const at::Tensor some = vit.encode(view, {visible, masked, {}}).tokens.detach();
  view.data[0].narrow(1, 12, 4).narrow(2, 0, 4).fill_(-5.0);
  CHECK(at::equal(vit.encode(view, {visible, masked, {}}).tokens, some));
}

TEST_CASE("gradients reach every parameter") {
  VitOptions options = small_vit();
  options.class_token = true;
  options.mask_token = true;
  options.layer_scale = 0.1;
  Vit vit = make(options);
  const Encoded encoded = vit.encode(picture(), {{}, {at::zeros({2, 1}, at::kLong)}, {}});
  (encoded.tokens.pow(3).sum() + encoded.pooled.sum()).backward();
  for (const auto& parameter : vit.named_parameters()) {
    INFO(parameter.key());
    REQUIRE(parameter.value().grad().defined());
    // Biases of keys shift every score of a query alike: their gradient is zero up to rounding.
    CHECK(parameter.value().grad().abs().max().item<double>() > 0.0);
  }
  for (const auto& name : {"patch_embed.weight", "blocks.0.attention.qkv.weight", "blocks.2.attention.projection.bias",
                           "blocks.1.mlp.fc1.weight", "blocks.1.norm2.bias", "norm.weight"})
    CHECK(vit.named_parameters().contains(name));
  CHECK(vit.named_buffers().is_empty());
}

TEST_CASE("learned positions belong to the first view's grid, and are resized for others") {
  VitOptions options = small_vit();
  options.positions = transformer::Positions::learned;
  options.class_token = true;
  options.pool = transformer::Pool::cls;
  options.gated = true;
  at::manual_seed(11);
  const View view = picture();
  Vit vit(options, {images(), {{view.grid, view.role}}});
  auto own = vit.named_parameters();
  REQUIRE(own["positions"].sizes() == at::IntArrayRef({1, 1 + 12, 48}));
  CHECK(own.contains("blocks.0.mlp.gate.weight"));
  const at::NoGradGuard no_grad;

  own["patch_embed.weight"].zero_();  // now tokens differ by their positions only
  const Encoded before = vit.encode(view, {});
  CHECK(largest_difference(before.tokens[0][7], before.tokens[0][2]) > 1e-3);
  const TokenSet reversed{at::arange(11, -1, -1).expand({2, 12})};
  CHECK(largest_difference(vit.encode(view, {reversed, {}, {}}).tokens, before.tokens.flip(1)) < 1e-5);
  own["positions"].select(1, 0).normal_();  // the class token's own
  CHECK(largest_difference(vit.encode(view, {}).pooled, before.pooled) > 1e-3);

  // Positions that tell rows apart and columns not, 4 x 3, still do so when resized to 8 x 6.
  own["positions"].narrow(1, 1, 12).copy_(at::randn({4, 1, 48}).expand({4, 3, 48}).reshape({1, 12, 48}));
  const at::Tensor resized = vit.encode(picture(1, 32, 24), {}).tokens.view({8, 6, 48});
  CHECK(largest_difference(resized.select(1, 0), resized.select(1, 5)) < 1e-5);
  for (int row = 0; row < 7; ++row) CHECK(largest_difference(resized[row], resized[row + 1]) > 1e-3);
}

TEST_CASE("learned positions without a grid, and views with other axes, are refused") {
  VitOptions options = small_vit();
  options.positions = transformer::Positions::learned;
  CHECK_THROWS_AS(make(options), ConfigError);
  const TokenizerSpec wave{1, {10}, {Axis::time}};
  Vit line(options, {wave, {{wave.grid({50}), ViewRole::global}}});
  CHECK(line.encode({at::randn({2, 1, 50}), wave.grid({50}), {}}, {}).tokens.size(1) == 5);
  CHECK(line.encode({at::randn({2, 1, 60}), wave.grid({60}), {}}, {}).tokens.size(1) == 6);
}

const TokenizerSpec kClips{3, {2, 4, 4}, {Axis::time, Axis::height, Axis::width}};

View clip(std::vector<std::int64_t> size) {
  at::manual_seed(13);
  std::vector<std::int64_t> shape = {2, 3};
  shape.insert(shape.end(), size.begin(), size.end());
  return {at::randn(shape), kClips.grid(size), ViewRole::global};
}

TEST_CASE("every form of position stays with its token, special tokens or not") {
  using transformer::Positions;
  const View view = clip({4, 8, 12});  // 2 x 2 x 3 tokens
  const at::Tensor order = at::stack({at::randperm(12), at::randperm(12)});
  for (const auto form : {Positions::sincos, Positions::sinusoid, Positions::learned, Positions::rotary})
    for (const std::int64_t registers : {0, 2}) {
      VitOptions options = small_vit();
      options.positions = form;
      options.class_token = registers > 0;
      options.register_tokens = registers;
      at::manual_seed(14);
      Vit vit(options, {kClips, {{view.grid, view.role}}});
      const at::NoGradGuard no_grad;
      const Encoded all = vit.encode(view, {}), turned = vit.encode(view, {{order}, {}, {}});
      const at::Tensor index = order.unsqueeze(-1).expand({-1, -1, 48});
      CHECK(largest_difference(turned.tokens, all.tokens.gather(1, index)) < 1e-5);
      CHECK(all.special.defined() == (registers > 0));
      if (registers > 0) CHECK(all.special.sizes() == at::IntArrayRef({2, 1 + registers, 48}));
      vit.named_parameters()["patch_embed.weight"].zero_();  // tokens differ by their places only
      const at::Tensor places = vit.encode(view, {}).tokens;
      // Equal tokens look the same to each other, however they are turned; to special tokens they do not.
      const bool differ = form != Positions::rotary || registers > 0;
      CHECK((largest_difference(places[0][1], places[0][10]) > 1e-4) == differ);
    }
}

TEST_CASE("rotary layouts differ, and places are counted on the grid that the options say") {
  VitOptions options = small_vit();
  options.positions = transformer::Positions::rotary;
  const View first = clip({4, 8, 8}), wide = clip({4, 8, 16});  // 2 x 2 x 2 and 2 x 2 x 4 tokens
  const auto tokens = [&](const View& view) {
    at::manual_seed(14);
    return Vit(options, {kClips, {{first.grid, first.role}}}).encode(view, {}).tokens;
  };
  const at::Tensor paired = tokens(first), paired_wide = tokens(wide);
  options.rotary_numbering = transformer::Numbering::first;
  CHECK(largest_difference(tokens(first), paired) == 0.0);
  CHECK(largest_difference(tokens(wide), paired_wide) > 1e-4);
  // As a clip of 2 x 2 x 2 layers, one after the other.
  View counted = clip({8, 8, 8});
  counted.data = nn::cut_patches(wide.data, kClips).view({2, 4, 2, 2, 3, 2, 4, 4}).permute({0, 4, 1, 5, 2, 6, 3, 7});
  counted.data = counted.data.reshape({2, 3, 8, 8, 8});
  CHECK(largest_difference(tokens(wide), tokens(counted)) < 1e-5);
  options.rotary_layout = nn::RotaryLayout::tiled;
  CHECK(largest_difference(tokens(first), paired) > 1e-4);
  options.heads = 12;  // four features a head, three axes
  CHECK_THROWS_AS(tokens(first), ConfigError);
}

TEST_CASE("without the last norm the tokens are the last block's") {
  VitOptions options = small_vit();
  options.last_norm = false;
  options.key_bias = false;
  Vit vit = make(options);
  const Encoded encoded = vit.encode(picture(), {{}, {}, {2}});
  CHECK(at::equal(encoded.tokens, encoded.taps[0]));
  CHECK_FALSE(vit.named_parameters().contains("norm.weight"));
  CHECK(vit.named_parameters().contains("blocks.0.attention.value_bias"));
}

TEST_CASE("bfloat16 autocast stays close to float32") {
  Vit vit = make(small_vit());
  const View view = picture();
  const at::NoGradGuard no_grad;
  const at::Tensor exact = vit.encode(view, {}).tokens;
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  const at::Tensor rough = vit.encode(view, {}).tokens;
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  CHECK(rough.isfinite().all().item<bool>());
  CHECK(largest_difference(exact, rough.to(at::kFloat)) < 0.1);
  CHECK(largest_difference(exact, rough.to(at::kFloat)) > 0.0);
}

VitOptions with_levels() {
  VitOptions options = small_vit();
  options.positions = transformer::Positions::rotary;
  options.levels = {0, 2};
  options.picture_tokenizer = true;
  return options;
}

TEST_CASE("levels have norms of their own, and fused they stand side by side") {
  VitOptions options = with_levels();
  Vit plain = make(options, kClips);
  options.fuse = true;
  Vit fused = make(options, kClips);
  const View clip{at::randn({2, 3, 4, 8, 8}), kClips.grid({4, 8, 8}), ViewRole::global};
  const Encoded a = plain.encode(clip, {{}, {}, {0, 1, 2}}), b = fused.encode(clip, {});
  CHECK(plain.width() == 48);
  CHECK(fused.width() == 96);
  CHECK(b.tokens.sizes() == at::IntArrayRef({2, 8, 96}));
  CHECK(at::equal(b.tokens, at::cat({a.taps[0], a.taps[2]}, -1)));
  CHECK(at::equal(a.taps[2], a.tokens));
  CHECK(a.taps[0].mean(-1).abs().max().item<double>() < 1e-5);  // behind its norm
  CHECK(a.taps[1].mean(-1).abs().max().item<double>() > 1e-4);  // no level
}

TEST_CASE("clips of one frame have a tokenizer and a mark of their own") {
  Vit vit = make(with_levels(), kClips);
  const at::Tensor frame = at::randn({2, 3, 1, 8, 8});
  TokenizerSpec pictures = kClips;
  pictures.patch.front() = 1;
  CHECK(vit.can_take(pictures));
  CHECK_FALSE(make(small_vit()).can_take(pictures));
  const TokenGrid grid = pictures.grid({1, 8, 8});
  const at::Tensor picture = vit.encode({frame, grid, ViewRole::global}, {}).tokens;
  const at::Tensor still = vit.encode({frame.repeat({1, 1, 2, 1, 1}), grid, ViewRole::global}, {}).tokens;
  CHECK(picture.sizes() == at::IntArrayRef({2, 4, 48}));
  CHECK(largest_difference(picture, still) > 1e-2);
  const at::NoGradGuard no_grad;
  at::Tensor(vit.named_parameters()["picture_mark"]).copy_(at::linspace(-1, 1, 48).view({1, 1, 48}));
  CHECK(largest_difference(vit.encode({frame, grid, ViewRole::global}, {}).tokens, picture) > 1e-3);
}

TEST_CASE("levels that are none are refused with a sentence") {
  VitOptions options = with_levels();
  options.levels = {0, 1};
  CHECK_THROWS_WITH(make(options, kClips), Catch::Contains("the last of them the last block"));
  options.levels = {2, 2};
  CHECK_THROWS_AS(make(options, kClips), ConfigError);
  options = with_levels();
  CHECK_THROWS_WITH(make(options), Catch::Contains("no clips"));
  options.picture_tokenizer = false;
  options.class_token = true;
  CHECK_THROWS_WITH(make(options), Catch::Contains("no class token"));
  options = small_vit();
  options.fuse = true;
  CHECK_THROWS_WITH(make(options), Catch::Contains("no levels to fuse"));
}

TEST_CASE("rows that see unequal numbers of tokens are encoded as they are alone") {
  VitOptions options = small_vit();
  options.class_token = GENERATE(false, true);
  options.positions = GENERATE(transformer::Positions::sincos, transformer::Positions::rotary);
  Vit vit = make(options);
  REQUIRE(vit.can_pack());
  const View view = picture();
  Look look{{at::tensor({1, 4, 7, 9, 2, 11, 11, 11}, at::kLong).view({2, 4}), {4, 2}}, {}, {1}};
  const Encoded packed = vit.encode(view, look);
  REQUIRE(packed.tokens.sizes() == at::IntArrayRef({2, 4, 48}));
  CHECK(packed.tokens[1].narrow(0, 2, 2).abs().max().item<double>() == 0);
  CHECK(packed.taps[0][1].narrow(0, 2, 2).abs().max().item<double>() == 0);
  for (std::int64_t row = 0; row < 2; ++row) {
    const std::int64_t seen = look.visible.lengths[static_cast<std::size_t>(row)];
    const View own{view.data.narrow(0, row, 1), view.grid, view.role};
    const Encoded alone = vit.encode(own, {{look.visible.index.narrow(0, row, 1).narrow(1, 0, seen)}, {}, {1}});
    CAPTURE(row);
    CHECK(largest_difference(packed.tokens[row].narrow(0, 0, seen), alone.tokens[0]) < 1e-5);
    CHECK(largest_difference(packed.taps[0][row].narrow(0, 0, seen), alone.taps[0][0]) < 1e-5);
    CHECK(largest_difference(packed.pooled[row], alone.pooled[0]) < 1e-5);
    if (options.class_token) CHECK(largest_difference(packed.special[row], alone.special[0]) < 1e-5);
  }
  options.self_mask = 0.1;
  CHECK_FALSE(make(options).can_pack());
}

}  // namespace

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>

#include "cairn/error.h"
#include "convnext.h"
#include "resnet.h"

namespace {

using namespace cairn;
using convnet::Convnext;
using convnet::ConvnextOptions;
using convnet::Resnet;
using convnet::ResnetOptions;
using convnet::Stem;

EncoderSetting pictures(std::int64_t size, std::int64_t patch, std::int64_t channels = 3) {
  EncoderSetting setting;
  setting.tokenizer = {channels, {patch, patch}, {Axis::height, Axis::width}};
  setting.views = {{setting.tokenizer.grid({size, size}), ViewRole::global}};
  return setting;
}

View view_of(const EncoderSetting& setting, std::int64_t batch) {
  const ViewLayout& layout = setting.views.front();
  const std::int64_t size = layout.grid.extent[0] * setting.tokenizer.patch[0];
  return {at::randn({batch, setting.tokenizer.channels, size, size}), layout.grid, layout.role};
}

/// Values that follow from a tensor's name, so that one of another name or order of values shows in the output.
void fill(const std::string& name, at::Tensor tensor) {
  const auto ends = [&](const char* end) { return name.ends_with(end); };
  const int letters = std::accumulate(name.begin(), name.end(), 0);
  at::Tensor wave = at::sin(0.37 * at::arange(tensor.numel(), at::kDouble) + letters);
  if (tensor.dim() >= 2 && !ends("layer_scale")) {
    wave = wave * std::sqrt(2.0 / static_cast<double>(tensor.numel() / tensor.size(0)));
  } else if (tensor.dim() == 1 && (ends(".weight") || ends("running_var"))) {
    wave = 1.0 + 0.3 * wave;
  } else {
    wave = 0.1 * wave;
  }
  const at::NoGradGuard no_grad;
  tensor.copy_(wave.view(tensor.sizes()));
}

/// The pooled feature [D] of a wave of a picture, every weight filled by its name.
at::Tensor filled_feature(Encoder& encoder, std::int64_t size, std::int64_t patch) {
  for (auto& parameter : encoder.named_parameters()) fill(parameter.key(), parameter.value());
  for (auto& buffer : encoder.named_buffers())
    if (buffer.value().is_floating_point()) fill(buffer.key(), buffer.value());
  encoder.eval();
  const at::NoGradGuard no_grad;
  const at::Tensor wave = at::sin(0.11 * at::arange(3 * 64 * 64, at::kDouble)).to(at::kFloat).view({1, 3, 64, 64});
  const EncoderSetting setting = pictures(size, patch);
  return encoder.encode({wave.narrow(2, 0, size).narrow(3, 0, size), setting.views[0].grid}, {}).pooled[0];
}

std::int64_t count(const torch::nn::Module& module) {
  std::int64_t sum = 0;
  for (const at::Tensor& parameter : module.parameters()) sum += parameter.numel();
  return sum;
}

void check_feature(const at::Tensor& feature, std::array<double, 3> first, double mean, double deviation) {
  for (std::size_t i = 0; i < first.size(); ++i)
    CHECK(feature[static_cast<std::int64_t>(i)].item<double>() == Approx(first[i]).epsilon(1e-3).margin(1e-3));
  CHECK(feature.mean().item<double>() == Approx(mean).epsilon(1e-3));
  CHECK(feature.std(0, false).item<double>() == Approx(deviation).epsilon(1e-3));
}

// Computed with torchvision 0.26.0: the same names filled with the same values, the last linear map left out.
TEST_CASE("weights of torchvision's names give torchvision's features") {
  Resnet small({}, pictures(64, 32));
  CHECK(count(small) == 11176512);
  CHECK(small.named_parameters().size() + small.named_buffers().size() == 120);
  check_feature(filled_feature(small, 64, 32), {4.106081, 3.45356, 2.122118}, 1.348001, 1.684743);

  Resnet large({.preset = "resnet50"}, pictures(64, 32));
  CHECK(count(large) == 23508032);
  CHECK(large.named_parameters().size() + large.named_buffers().size() == 318);
  check_feature(filled_feature(large, 64, 32), {0.0, 56.61822, 57.99606}, 33.44346, 34.52412);

  Resnet cifar({.stem = Stem::cifar}, pictures(32, 8));
  CHECK(count(cifar) == 11168832);
  check_feature(filled_feature(cifar, 32, 8), {4.222688, 3.502331, 2.202591}, 1.384555, 1.718818);

  Convnext next({}, pictures(64, 32));
  CHECK(count(next) == 27820128);
  CHECK(next.named_parameters().size() + next.named_buffers().size() == 180);
  check_feature(filled_feature(next, 64, 32), {1.441657, -0.8267451, 0.1406124}, -0.0452096, 1.015632);
}

TEST_CASE("there is a token for each place of the grid, whatever the patch") {
  at::manual_seed(51);
  Resnet encoder({.stem = Stem::cifar, .width = 8}, pictures(32, 8));
  encoder.eval();
  CHECK(encoder.width() == 64);
  CHECK_FALSE(encoder.can_hide_tokens());
  const View exact = view_of(pictures(32, 8), 2);
  const Encoded cells = encoder.encode(exact, {});
  REQUIRE(cells.tokens.sizes() == at::IntArrayRef({2, 16, 64}));
  CHECK(at::allclose(cells.tokens.mean(1), cells.pooled, 1e-4, 1e-5));
  const Encoded finer = encoder.encode({exact.data, pictures(32, 4).views[0].grid}, {});
  REQUIRE(finer.tokens.sizes() == at::IntArrayRef({2, 64, 64}));
  CHECK(at::allclose(finer.tokens.select(1, 0), cells.tokens.select(1, 0)));
  CHECK(at::allclose(finer.tokens.select(1, 9), cells.tokens.select(1, 0)));
  const Encoded coarser = encoder.encode({exact.data, pictures(32, 16).views[0].grid}, {});
  REQUIRE(coarser.tokens.sizes() == at::IntArrayRef({2, 4, 64}));
  const at::Tensor corner = cells.tokens.index_select(1, at::tensor({0, 1, 4, 5}, at::kLong)).mean(1);
  CHECK(at::allclose(coarser.tokens.select(1, 0), corner, 1e-4, 1e-5));
}

TEST_CASE("blocks are those of the last stage, as wide as the features") {
  at::manual_seed(52);
  Resnet resnet({.stem = Stem::cifar, .width = 4}, pictures(32, 8));
  Convnext convnext({.width = 4, .blocks = {1, 1, 1, 3}, .stem_stride = 1}, pictures(32, 8));
  CHECK(resnet.depth() == 2);
  CHECK(convnext.depth() == 3);
  resnet.eval();
  for (Encoder* encoder : {static_cast<Encoder*>(&resnet), static_cast<Encoder*>(&convnext)}) {
    const View view = view_of(pictures(32, 8), 2);
    Look look;
    for (std::int64_t b = 0; b < encoder->depth(); ++b) look.taps.push_back(b);
    const Encoded all = encoder->encode(view, look);
    REQUIRE(all.taps.size() == look.taps.size());
    for (const at::Tensor& tap : all.taps) CHECK(tap.sizes() == all.tokens.sizes());
    look.taps = {encoder->depth() - 1};
    CHECK(at::equal(encoder->encode(view, look).taps.front(), all.taps.back()));
    CHECK_FALSE(at::equal(all.taps.front(), all.taps.back()));
  }
}

TEST_CASE("running statistics follow training and alone decide in evaluation") {
  at::manual_seed(53);
  const EncoderSetting setting = pictures(16, 8, 1);
  Resnet encoder({.stem = Stem::cifar, .width = 4, .zero_init_residual = true}, setting);
  const View view = view_of(setting, 6);
  const at::Tensor before = encoder.named_buffers()["bn1.running_mean"].clone();
  encoder.encode(view, {}).pooled.sum().backward();
  for (const auto& parameter : encoder.named_parameters()) {
    INFO(parameter.key());
    CHECK(parameter.value().grad().isfinite().all().item<bool>());
  }
  CHECK_FALSE(at::equal(encoder.named_buffers()["bn1.running_mean"], before));
  CHECK(encoder.named_buffers()["layer4.1.bn2.num_batches_tracked"].item<std::int64_t>() == 1);
  encoder.eval();
  const at::Tensor all = encoder.encode(view, {}).pooled;
  const View one{view.data.narrow(0, 2, 1), view.grid};
  CHECK(at::allclose(encoder.encode(one, {}).pooled, all.narrow(0, 2, 1), 1e-4, 1e-5));
}

TEST_CASE("drop path skips branches in training only") {
  at::manual_seed(54);
  const EncoderSetting setting = pictures(16, 8);
  Convnext encoder({.width = 4, .blocks = {1, 1, 1, 2}, .stem_stride = 1, .layer_scale = 1.0, .drop_path = 0.9},
                   setting);
  const View view = view_of(setting, 4);
  CHECK_FALSE(at::equal(encoder.encode(view, {}).pooled, encoder.encode(view, {}).pooled));
  encoder.eval();
  CHECK(at::equal(encoder.encode(view, {}).pooled, encoder.encode(view, {}).pooled));
}

TEST_CASE("hidden tokens, other axes and views below the stride are refused") {
  Resnet encoder({.stem = Stem::cifar, .width = 4}, pictures(16, 8));
  const View view = view_of(pictures(16, 8), 2);
  const TokenSet some{at::zeros({2, 1}, at::kLong)};
  CHECK_THROWS_AS(encoder.encode(view, {some, {}, {}}), Error);
  CHECK_THROWS_AS(encoder.encode(view, {{}, some, {}}), Error);
  EncoderSetting video;
  video.tokenizer = {3, {2, 8, 8}, {Axis::time, Axis::height, Axis::width}};
  CHECK_THROWS_AS(Resnet({}, video), ConfigError);
  CHECK_THROWS_AS(Convnext({}, pictures(16, 8)), ConfigError);
}

}  // namespace

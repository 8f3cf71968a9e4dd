#include <ATen/ATen.h>
#include <torch/optim/adamw.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "cairn/nn/attentive_pooler.h"
#include "cairn/nn/block.h"
#include "cairn/nn/initialise.h"
#include "cairn/nn/tokens.h"
#include "support/tensors.h"

namespace {

using namespace cairn;
using test::largest_difference;

nn::BlockOptions options(std::int64_t width = 24, std::int64_t heads = 3) {
  nn::BlockOptions block;
  block.width = width;
  block.heads = heads;
  block.hidden = 4 * width;
  return block;
}

TEST_CASE("attention is softmax(q k / sqrt(d)) v, head by head") {
  at::manual_seed(1);
  nn::Attention attention(options());
  const at::Tensor x = at::randn({2, 5, 24});
  const at::Tensor qkv = at::linear(x, attention.qkv->weight, attention.qkv->bias);
  std::vector<at::Tensor> heads;
  for (int h = 0; h < 3; ++h) {
    const auto part = [&](int which) { return qkv.narrow(2, which * 24 + h * 8, 8); };
    const at::Tensor weights = (part(0).matmul(part(1).transpose(1, 2)) / std::sqrt(8.0)).softmax(-1);
    heads.push_back(weights.matmul(part(2)));
  }
  const at::Tensor expected = at::linear(at::cat(heads, -1), attention.projection->weight, attention.projection->bias);
  CHECK(largest_difference(attention.forward(x), expected) < 1e-5);
}

TEST_CASE("sparing the tokens before `from` changes nothing for the others") {
  at::manual_seed(2);
  for (const bool gated : {false, true}) {
    nn::BlockOptions block = options();
    block.gated = gated;
    block.qkv_bias = !gated;
    block.layer_scale = gated ? 0.5 : 0.0;
    nn::Blocks blocks(block, 2);
    const at::Tensor x = at::randn({2, 7, 24});
    const at::Tensor all = blocks.forward(x, 0), some = blocks.forward(x, 3);
    CHECK(some.sizes() == at::IntArrayRef({2, 4, 24}));
    CHECK(largest_difference(all.narrow(1, 3, 4), some) < 1e-5);
    some.sum().backward();
    for (const auto& parameter : blocks.named_parameters()) {
      INFO(parameter.key());
      REQUIRE(parameter.value().grad().defined());
      CHECK(parameter.value().grad().isfinite().all().item<bool>());
    }
  }
}

TEST_CASE("taps are the outputs of the blocks asked for") {
  nn::Blocks blocks(options(), 3);
  const at::Tensor x = at::randn({1, 4, 24});
  std::vector<at::Tensor> taps;
  const at::Tensor out = blocks.forward(x, std::vector<std::int64_t>{0, 2}, taps);
  REQUIRE(taps.size() == 2);
  CHECK(at::equal(taps[0], blocks.all()[0]->forward(x)));
  CHECK(at::equal(taps[1], out));
  CHECK_THROWS_AS(blocks.forward(x, std::vector<std::int64_t>{3}, taps), Error);
}

TEST_CASE("a token that may not attend to itself is told by the others; in training only") {
  at::manual_seed(6);
  nn::BlockOptions block = options();
  block.self_mask = 1.0;
  nn::Attention masked(block);
  const at::Tensor x = at::randn({2, 5, 24});
  masked.eval();
  const at::Tensor plain = masked.forward(x);
  masked.train();
  const at::Tensor all = masked.forward(x), last = masked.forward(x, 4);
  CHECK(largest_difference(all.narrow(1, 4, 1), last) < 1e-5);
  CHECK(largest_difference(all, plain) > 1e-3);
  // Without its own key and value, the first token sees what the rest alone would show it.
  const at::Tensor qkv =
      at::linear(x, masked.qkv->weight, masked.qkv->bias).view({2, 5, 3, 3, 8}).permute({2, 0, 3, 1, 4});
  const at::Tensor others =
      at::scaled_dot_product_attention(qkv[0].narrow(2, 0, 1), qkv[1].narrow(2, 1, 4), qkv[2].narrow(2, 1, 4));
  const at::Tensor expected =
      at::linear(others.transpose(1, 2).reshape({2, 1, 24}), masked.projection->weight, masked.projection->bias);
  CHECK(largest_difference(all.narrow(1, 0, 1), expected) < 1e-5);
  CHECK(masked.forward(x.narrow(1, 0, 1)).isfinite().all().item<bool>());  // there is nobody else
  block.self_mask = 0.3;
  nn::Attention some(block);
  CHECK_FALSE(some.forward(x).equal(some.forward(x)));
}

TEST_CASE("heads must divide the width") { CHECK_THROWS_AS(nn::Attention(options(24, 5)), ConfigError); }

/// x, or what a block of new norms makes of it with each branch times `factor` or 0.
std::vector<at::Tensor> with_branches(nn::Block& block, const at::Tensor& x, double factor) {
  const auto norm = [](const at::Tensor& rows) { return at::layer_norm(rows, {24}, {}, {}, options().epsilon); };
  std::vector<at::Tensor> out;
  for (const at::Tensor& attended : {x, x + factor * block.attention->forward(norm(x))})
    for (const double mlp : {0.0, factor}) out.push_back(attended + mlp * block.mlp->forward(norm(attended)));
  return out;
}

TEST_CASE("drop path skips branches of whole samples in training only, and keeps the mean") {
  at::manual_seed(3);
  nn::BlockOptions block = options();
  block.drop_path = 0.5;
  nn::Blocks blocks(block, 2);
  const at::Tensor x = at::randn({1, 3, 24}).expand({4000, -1, -1});
  blocks.eval();
  const at::Tensor plain = blocks.forward(x);
  blocks.train();
  CHECK(at::equal(blocks.all()[0]->forward(x), [&] {
    blocks.eval();
    return blocks.all()[0]->forward(x);
  }()));
  blocks.train();
  const at::Tensor before = blocks.all()[0]->forward(x), after = blocks.all()[1]->forward(before);
  // Half of the samples keep each branch, twice as strong.
  for (const at::Tensor& expected : with_branches(*blocks.all()[1], before, 2.0)) {
    const at::Tensor is_so = (after - expected).abs().amax({1, 2}) < 1e-4;
    CHECK(is_so.to(at::kDouble).mean().item<double>() == Approx(0.25).margin(0.03));
  }
}

TEST_CASE("initialisation") {
  at::manual_seed(4);
  struct Model : torch::nn::Module {
    std::shared_ptr<nn::PatchEmbed> patch =
        register_module("patch", std::make_shared<nn::PatchEmbed>(TokenizerSpec{3, {8, 8}, {}}, 128));
    std::shared_ptr<nn::Blocks> blocks = register_module("blocks", std::make_shared<nn::Blocks>(options(128, 2), 2));
  } model;
  const auto& block = *model.blocks->all()[1];
  SECTION("jepa: deviation 0.02, biases 0") {
    nn::initialise(model, nn::Init::jepa);
    for (const at::Tensor& weight : {model.patch->weight, block.attention->qkv->weight, block.mlp->fc1->weight}) {
      CHECK(weight.std().item<double>() == Approx(0.02).epsilon(0.03));
      CHECK(std::abs(weight.mean().item<double>()) < 1e-3);
    }
  }
  SECTION("xavier: uniform within its bound") {
    nn::initialise(model, nn::Init::xavier);
    const double bound = std::sqrt(6.0 / (192 + 128));
    CHECK(model.patch->weight.abs().max().item<double>() <= bound);
    CHECK(model.patch->weight.abs().max().item<double>() > 0.98 * bound);
    CHECK(block.mlp->fc1->weight.std().item<double>() == Approx(std::sqrt(6.0 / (128 + 512) / 3)).epsilon(0.03));
  }
  CHECK(model.patch->bias.abs().max().item<double>() == 0.0);
  CHECK(block.attention->qkv->bias.abs().max().item<double>() == 0.0);
  const at::Tensor projection = block.attention->projection->weight.clone(), fc2 = block.mlp->fc2->weight.clone();
  nn::rescale_by_depth(*model.blocks);
  CHECK(at::allclose(block.attention->projection->weight, projection / 2.0));
  CHECK(at::allclose(block.mlp->fc2->weight, fc2 / 2.0));
}

TEST_CASE("patch embedding is a convolution of stride and kernel = patch, over any axes") {
  at::manual_seed(5);
  nn::PatchEmbed image({3, {4, 8}, {Axis::height, Axis::width}}, 10);
  nn::initialise(image, nn::Init::jepa);
  image.weight.data().normal_();
  image.bias.data().normal_();
  const at::Tensor picture = at::randn({2, 3, 12, 16});
  const at::Tensor convolved = at::conv2d(picture, image.weight.view({10, 3, 4, 8}), image.bias, {4, 8});
  CHECK(largest_difference(image.forward(picture, {}), convolved.flatten(2).transpose(1, 2)) < 1e-4);

  nn::PatchEmbed video({2, {2, 4, 4}, {Axis::time, Axis::height, Axis::width}}, 6);
  video.weight.data().normal_();
  const at::Tensor clip = at::randn({1, 2, 4, 8, 8});
  const at::Tensor volume = at::conv3d(clip, video.weight.view({6, 2, 2, 4, 4}), video.bias, {2, 4, 4});
  CHECK(largest_difference(video.forward(clip, {}), volume.flatten(2).transpose(1, 2)) < 1e-4);

  nn::PatchEmbed wave({1, {5}, {Axis::time}}, 6);
  wave.weight.data().normal_();
  CHECK(wave.forward(at::randn({2, 1, 20}), {}).sizes() == at::IntArrayRef({2, 4, 6}));

  CHECK_THROWS_AS(image.forward(at::randn({2, 3, 12, 15}), {}), ConfigError);
  CHECK_THROWS_AS(image.grid(at::randn({2, 1, 12, 16})), Error);
  CHECK_THROWS_AS(image.grid(at::randn({2, 3, 4, 12, 16})), Error);
}

TEST_CASE("gathering tokens equals gather, gradients too") {
  const at::Tensor x = at::randn({3, 6, 4}).requires_grad_(true);
  const at::Tensor ids = at::tensor({0, 5, 2, 2, 4, 1}, at::kLong).view({3, 2});
  const at::Tensor wanted = x.gather(1, ids.unsqueeze(-1).expand({-1, -1, 4}));
  const at::Tensor got = nn::gather_tokens(x, {ids});
  CHECK(at::equal(got, wanted));
  const at::Tensor weight = at::randn_like(wanted);
  (wanted * weight).sum().backward();
  const at::Tensor reference = x.grad().clone();
  x.mutable_grad().zero_();
  (got * weight).sum().backward();
  CHECK(at::equal(x.grad(), reference));
  CHECK(nn::gather_tokens(x, {}).is_same(x));
  CHECK_THROWS(nn::gather_tokens(x, {at::tensor({0, 6}, at::kLong).view({1, 2})}));
}

TEST_CASE("biases of queries and values only equal a key bias of zero") {
  at::manual_seed(11);
  nn::BlockOptions own = options();
  nn::Attention full(own);
  own.key_bias = false;
  nn::Attention partial(own);
  const at::NoGradGuard no_grad;
  CHECK(partial.named_parameters().contains("query_bias"));
  CHECK_FALSE(partial.named_parameters().contains("qkv.bias"));
  partial.query_bias.normal_();
  partial.value_bias.normal_();
  full.qkv->weight.copy_(partial.qkv->weight);
  full.projection->weight.copy_(partial.projection->weight);
  full.projection->bias.copy_(partial.projection->bias);
  full.qkv->bias.copy_(at::cat({partial.query_bias, at::zeros({24}), partial.value_bias}));
  const at::Tensor x = at::randn({2, 5, 24});
  CHECK(largest_difference(full.forward(x), partial.forward(x)) < 1e-6);
  CHECK(largest_difference(full.forward(x, 2), partial.forward(x, 2)) < 1e-6);
}

TEST_CASE("rotary attention of shuffled tokens is the shuffled attention, and `from` spares the first") {
  at::manual_seed(12);
  nn::Blocks blocks(options(), 2);
  const TokenGrid grid{{2, 2, 3}, {Axis::time, Axis::height, Axis::width}};
  nn::RotaryTables tables(8, nn::RotaryLayout::tiled);
  const at::Tensor x = at::randn({2, 12, 24}), order = at::stack({at::randperm(12), at::randperm(12)});
  const at::Tensor all = blocks.forward(x, 0, tables.rotation(grid, {}, 0, at::kCPU));
  const nn::Rotation turned = tables.rotation(grid, {order}, 0, at::kCPU);
  const at::Tensor shuffled = blocks.forward(nn::gather_tokens(x, {order}), 0, turned);
  CHECK(largest_difference(shuffled, nn::gather_tokens(all, {order})) < 1e-5);
  CHECK(largest_difference(blocks.forward(x), all) > 1e-4);
  const at::Tensor some = blocks.forward(nn::gather_tokens(x, {order}), 5, turned);
  CHECK(largest_difference(some, shuffled.narrow(1, 5, 7)) < 1e-5);
}

TEST_CASE("an attentive pooler of one head is a weighted sum of the values") {
  at::manual_seed(13);
  nn::AttentivePoolerOptions pool;
  pool.width = 6;
  pool.hidden = 12;
  pool.queries = 2;
  nn::AttentivePooler pooler(pool);
  const auto parameters = pooler.named_parameters();
  const at::NoGradGuard no_grad;
  for (const auto& parameter : parameters) parameter.value().normal_();
  const auto linear = [&](const at::Tensor& x, const std::string& name) {
    return at::linear(x, parameters[name + ".weight"], parameters[name + ".bias"]);
  };
  const auto norm = [&](const at::Tensor& x, const std::string& name) {
    return at::layer_norm(x, {6}, parameters[name + ".weight"], parameters[name + ".bias"], 1e-6);
  };
  const at::Tensor tokens = at::randn({3, 5, 6}), query = parameters["queries"].expand({3, -1, -1});
  const auto kv = linear(norm(tokens, "norm1"), "attention.key_value").chunk(2, -1);
  const at::Tensor weights =
      (linear(query, "attention.query").matmul(kv[0].transpose(1, 2)) / std::sqrt(6.0)).softmax(-1);
  const at::Tensor looked = query + weights.matmul(kv[1]);
  const at::Tensor expected = looked + linear(at::gelu(linear(norm(looked, "norm2"), "mlp.fc1")), "mlp.fc2");
  CHECK(largest_difference(pooler.forward(tokens), expected) < 1e-4);
  CHECK(largest_difference(pooler.attention(tokens), weights) < 1e-5);
}

TEST_CASE("an attentive classifier learns which token matters") {
  at::manual_seed(14);
  nn::AttentivePoolerOptions pool;
  pool.width = 12;
  pool.heads = 2;
  pool.hidden = 24;
  pool.is_projected = true;
  pool.blocks = 1;
  nn::AttentiveClassifier classifier(pool, 3);
  const at::Tensor label = at::randint(0, 3, {96}, at::kLong), place = at::randint(0, 4, {96}, at::kLong);
  at::Tensor tokens = 0.1 * at::randn({96, 4, 12});
  tokens.index_put_({at::arange(96), place, label}, 2.0);
  torch::optim::AdamW optimizer(classifier.parameters(), torch::optim::AdamWOptions(1e-2));
  for (int step = 0; step < 60; ++step) {
    const at::Tensor loss = at::cross_entropy_loss(classifier.forward(tokens), label);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
  }
  for (const auto& parameter : classifier.named_parameters()) {
    INFO(parameter.key());
    CHECK(parameter.value().grad().defined());
  }
  const at::Tensor right = classifier.forward(tokens).argmax(1).eq(label);
  CHECK(right.to(at::kFloat).mean().item<double>() > 0.95);
  pool.heads = 5;
  CHECK_THROWS_AS(nn::AttentivePooler(pool), ConfigError);
}

}  // namespace

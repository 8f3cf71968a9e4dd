#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "checkpoint/key_map.h"

namespace {

using namespace cairn;

KeyMap keys() {
  KeyMap map;
  map.affine("layernorm", "norm");
  map.joined({"q.weight", "k.weight", "v.weight"}, "qkv.weight");
  map.split("both.weight", {"fc1.weight", "gate.weight"});
  map.reshaped("token", {1, 4}, "mask_token", {1, 1, 4});
  map.tokenizer("conv", {3, {2, 5}, {Axis::height, Axis::width}}, 4, "patch_embed");
  return map;
}

TensorMap network() {
  at::manual_seed(3);
  return {{"norm.weight", at::randn({4})},
          {"norm.bias", at::randn({4})},
          {"qkv.weight", at::randn({12, 4})},
          {"fc1.weight", at::randn({6, 4})},
          {"gate.weight", at::randn({6, 4})},
          {"mask_token", at::randn({1, 1, 4})},
          {"patch_embed.weight", at::randn({4, 30})},
          {"patch_embed.bias", at::randn({4})}};
}

TEST_CASE("one map writes a file and reads it back, bit for bit") {
  const TensorMap own = network();
  const MappedTensors file = keys().to_file(own);
  CHECK(file.missing.empty());
  CHECK(file.misfits.empty());
  CHECK(left_over(own, file).empty());
  CHECK(file.tensors.at("k.weight").sizes() == at::IntArrayRef({4, 4}));
  CHECK(file.tensors.at("both.weight").sizes() == at::IntArrayRef({12, 4}));
  CHECK(file.tensors.at("token").sizes() == at::IntArrayRef({1, 4}));
  CHECK(file.tensors.at("conv.weight").sizes() == at::IntArrayRef({4, 3, 2, 5}));

  const MappedTensors back = keys().to_network(file.tensors);
  CHECK(left_over(file.tensors, back).empty());
  REQUIRE(back.tensors.size() == own.size());
  for (const auto& [name, tensor] : own) CHECK(at::equal(back.tensors.at(name), tensor));
}

TEST_CASE("what is missing, left over or of another shape is named, and the rest is mapped") {
  TensorMap file = keys().to_file(network()).tensors;
  file.erase("layernorm.bias");
  file["stranger"] = at::zeros({1});
  file["k.weight"] = at::zeros({4, 5});
  file["token"] = at::zeros({1, 5});
  file["both.weight"] = at::zeros({13, 4});
  const MappedTensors mapped = keys().to_network(file);
  CHECK(mapped.missing == std::vector<std::string>{"layernorm.bias"});
  CHECK(left_over(file, mapped) == std::vector<std::string>{"stranger"});
  REQUIRE(mapped.misfits.size() == 3);
  CHECK_THAT(mapped.misfits[0], Catch::Contains("k.weight [4, 5]"));
  CHECK_THAT(mapped.misfits[1], Catch::Contains("both.weight [13, 4], which is not 2 equal parts"));
  CHECK_THAT(mapped.misfits[2], Catch::Contains("token [1, 5], wanted is [1, 4]"));
  CHECK(mapped.tensors.contains("norm.weight"));
  CHECK_FALSE(mapped.tensors.contains("qkv.weight"));
}

}  // namespace

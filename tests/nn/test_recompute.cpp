#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "cairn/nn/block.h"
#include "nn/autocast.h"
#include "nn/recompute.h"
#include "support/devices.h"
#include "train/flop_counter.h"

using namespace cairn;

namespace {

struct Outcome {
  std::map<std::string, at::Tensor> values;  // the output, and all gradients
  double forward_flops = 0, flops = 0;
};

Outcome pass(nn::Blocks& blocks, at::Tensor x, bool recompute, std::int64_t from) {
  blocks.zero_grad(/*set_to_none=*/true);
  at::manual_seed(7);
  Outcome outcome;
  const FlopCounter counter;
  const nn::RecomputeBlocks guard(recompute);
  const at::Tensor out = blocks.forward(x, from);
  outcome.forward_flops = counter.total();
  out.square().sum().backward();
  outcome.flops = counter.total();
  outcome.values["output"] = out.detach();
  if (x.requires_grad()) outcome.values["input"] = x.grad().clone();
  for (const auto& parameter : blocks.named_parameters())
    outcome.values[parameter.key()] = parameter.value().grad().clone();
  return outcome;
}

void compare(at::Device device, bool is_mixed, const nn::BlockOptions& options, bool learns_input, std::int64_t from) {
  CAPTURE(device.str(), is_mixed, learns_input, from);
  at::manual_seed(5);
  nn::Blocks blocks(options, 3);
  blocks.to(device);
  const at::Tensor data = at::randn({4, 9, options.width}, device);
  const auto input = [&] { return data.clone().requires_grad_(learns_input); };
  const Autocast cast(device.type(), is_mixed);
  const Outcome plain = pass(blocks, input(), false, from), again = pass(blocks, input(), true, from);
  REQUIRE(plain.values.size() == again.values.size());
  for (const auto& [name, value] : plain.values) {
    CAPTURE(name);
    CHECK(at::equal(again.values.at(name), value));
  }
  CHECK(again.forward_flops == plain.forward_flops);
  CHECK(again.flops == Approx(plain.flops + plain.forward_flops));
}

}  // namespace

TEST_CASE("recomputed blocks give the same outputs and gradients for a second forward pass", "[devices]") {
  nn::BlockOptions plain;
  plain.width = 24, plain.heads = 3, plain.hidden = 48;
  nn::BlockOptions random = plain;
  random.drop_path = 0.5, random.self_mask = 0.3, random.layer_scale = 0.1;
  for (const at::Device device : test::devices())
    for (const bool is_mixed : {false, true})
      for (const nn::BlockOptions& options : {plain, random}) {
        compare(device, is_mixed, options, true, 0);
        compare(device, is_mixed, options, false, 0);  // as behind a frozen patch embedding
        compare(device, is_mixed, options, true, 4);
      }
}

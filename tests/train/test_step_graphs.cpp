#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include <catch2/catch.hpp>

#include "kernels/compute_stream.h"
#include "plugin/guard.h"
#include "support/devices.h"
#include "train/step_graphs.h"

using namespace cairn;

namespace {

/// A batch of `rows` random samples, of which `asked` tokens are asked about.
struct Load {
  Batch batch;
  Plan plan;
};

Load load(std::int64_t rows, std::int64_t asked, at::Device device) {
  Load made;
  made.batch.views.push_back({at::randn({rows, 8}, device), {{8}, {Axis::other}}, ViewRole::global});
  made.batch.sample_id = made.batch.label = at::zeros({rows}, at::kLong);
  made.plan.contexts.push_back({});
  const at::Tensor places = at::randint(8, {rows, asked}, at::TensorOptions().dtype(at::kLong).device(device));
  made.plan.queries.push_back({0, 0, {places}});
  return made;
}

/// Loss and gradient of a linear layer whose output is noisy: what a step does, made small.
struct Noisy {
  explicit Noisy(at::Device device) : layer((at::manual_seed(1), 8), 8) {
    layer->to(device);
    for (at::Tensor& parameter : layer->parameters()) parameter.mutable_grad() = at::zeros_like(parameter);
  }
  Pass step(const Batch& batch, const Plan& plan) {
    ++calls;
    const at::Tensor out = layer(batch.views[0].data).gather(1, plan.queries[0].where.index);
    Pass pass;
    pass.report.total = (out + at::randn_like(out)).square().mean();
    pass.features = out.detach();
    pass.report.total.backward();
    return pass;
  }
  torch::nn::Linear layer;
  int calls = 0;
};

}  // namespace

TEST_CASE("recorded steps give the losses and gradients of plain ones, whatever their shapes", "[train][devices]") {
  for (const at::Device device : test::devices()) {
    CAPTURE(device);
    const kernels::ComputeStream stream(device);
    Noisy plain(device), recorded(device);
    StepGraphs graphs(device);
    for (int step = 0; step < 16; ++step) {
      at::manual_seed(100 + step);
      const Load made = load(step % 3 == 0 ? 4 : 6, 3, device);
      at::manual_seed(step);
      const Pass expected = plain.step(made.batch, made.plan);
      at::manual_seed(step);
      const Pass got = graphs.run(made.batch, made.plan,
                                  [&](const Batch& batch, const Plan& plan) { return recorded.step(batch, plan); });
      CHECK(got.report.total.item<float>() == Approx(expected.report.total.item<float>()));
      CHECK(at::allclose(got.features, expected.features));
      for (const char* name : {"weight", "bias"})
        CHECK(at::allclose(recorded.layer->named_parameters()[name].grad(),
                           plain.layer->named_parameters()[name].grad()));
    }
    CHECK(graphs.size() == 2);
    // Three plain calls of each shape and the recording.
    if (device.is_cuda()) CHECK(recorded.calls == 8);
  }
}

TEST_CASE("plans that ask otherwise are recorded apart", "[train]") {
  StepGraphs graphs(at::kCPU);
  const Load made = load(4, 3, at::kCPU);
  Load of_group = made, of_seen = made, of_axis = made;
  of_group.plan.queries[0].group = 1;
  of_seen.plan.queries[0].seen_too = true;
  of_axis.batch.views[0].grid.axes = {Axis::time};
  const auto work = [](const Batch& batch, const Plan& plan) {
    Pass pass;
    const Query& query = plan.queries[0];
    const int axis = batch.views[0].grid.axes[0] == Axis::time ? 4 : 0;
    pass.features = at::full({}, axis + query.group + (query.seen_too ? 2 : 0));
    return pass;
  };
  const auto told = [&](const Load& load) { return graphs.run(load.batch, load.plan, work).features.item<int>(); };
  for (int i = 0; i < 5; ++i) {
    CHECK(told(made) == 0);
    CHECK(told(of_group) == 1);
    CHECK(told(of_seen) == 2);
    CHECK(told(of_axis) == 4);
  }
  CHECK(graphs.size() == 4);
}

TEST_CASE("a step that reads a value back from the device cannot be recorded", "[train][devices]") {
  if (!test::has_cuda()) return;
  const at::Device device(at::kCUDA, 0);
  const kernels::ComputeStream stream(device);
  const Load made = load(4, 3, device);
  const auto core = [](const Batch& batch, const Plan&) {
    Pass pass;
    pass.features = at::full({}, batch.views[0].data.sum().item<float>());
    return pass;
  };
  const auto plugin = [&](const Batch& batch, const Plan& plan) {
    return call_plugin("toy.loss", [&] { return core(batch, plan); });
  };
  for (const StepGraphs::Work& work : {StepGraphs::Work(core), StepGraphs::Work(plugin)}) {
    StepGraphs graphs(device);
    for (int i = 0; i < 3; ++i) graphs.run(made.batch, made.plan, work);
    CHECK_THROWS_WITH(graphs.run(made.batch, made.plan, work),
                      Catch::Contains("cannot be recorded") && Catch::Contains("set train.graphs = false"));
    CHECK(at::ones({2}, device).sum().item<float>() == 2);
  }
}

#include "train/step_graphs.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "cairn/error.h"
#include "data/device_copy.h"
#include "plugin/guard.h"

namespace cairn {
namespace {

constexpr int kPlainly = 3;              // batches of a shape before it is recorded, for what libraries choose at first
constexpr std::size_t kMostShapes = 64;  // each holds memory of its own for its inputs and outputs

std::vector<int> numbers_of(const std::vector<Axis>& axes) {
  std::vector<int> numbers;
  for (const Axis axis : axes) numbers.push_back(static_cast<int>(axis));
  return numbers;
}

/// Equal for batches that are computed alike.
std::string key_of(const Batch& batch, const Plan& plan) {
  std::string key;
  for (const View& view : batch.views)
    key += fmt::format("v{}:{}:{},", static_cast<int>(view.role), fmt::join(view.grid.extent, "x"),
                       fmt::join(numbers_of(view.grid.axes), "x"));
  for (const auto& [name, tensor] : batch.extra) key += name + ",";
  for (const Context& context : plan.contexts) key += fmt::format("c{},", context.view);
  for (const Query& query : plan.queries)
    key += fmt::format("q{}:{}:{}:{}:{},", query.context, query.view, static_cast<int>(query.level), query.group,
                       query.seen_too);
  for_each_tensor(batch, plan, [&](const at::Tensor& tensor) {
    key += tensor.defined() ? fmt::format("{}{},", static_cast<int>(tensor.scalar_type()), tensor.sizes().vec()) : "-";
  });
  return key;
}

/// Whether the lengths of packed rows, which are not on the device, decide what is computed.
bool is_packed(const Plan& plan) {
  return std::any_of(plan.contexts.begin(), plan.contexts.end(),
                     [](const Context& context) { return context.visible.is_ragged(); });
}

[[noreturn]] void fail_recording(const std::exception& error) {
  throw Error("the step cannot be recorded: " + exception_text(error), "train.graphs",
              "a part of this experiment reads a value back from the device: set train.graphs = false");
}

}  // namespace

std::int64_t StepGraphs::size() const {
  return std::count_if(recorded_.begin(), recorded_.end(),
                       [](const auto& each) { return each.second.graph != nullptr; });
}

Pass StepGraphs::run(const Batch& batch, const Plan& plan, const Work& work) {
  if (is_packed(plan)) return work(batch, plan);
  const std::string key = key_of(batch, plan);
  if (recorded_.size() >= kMostShapes && !recorded_.contains(key)) return work(batch, plan);
  Recorded& recorded = recorded_[key];
  if (recorded.seen++ < kPlainly) return work(batch, plan);
  if (!recorded.graph) record(recorded, batch, plan, work);
  std::vector<at::Tensor> into;
  for_each_tensor(recorded.batch, recorded.plan, [&](const at::Tensor& tensor) { into.push_back(tensor); });
  auto next = into.begin();
  for_each_tensor(batch, plan, [&](const at::Tensor& tensor) {
    if (tensor.defined()) next->copy_(tensor, /*non_blocking=*/true);
    ++next;
  });
  recorded.graph->replay();
  return recorded.pass;
}

void StepGraphs::record(Recorded& recorded, const Batch& batch, const Plan& plan, const Work& work) const {
  recorded.batch = batch;
  recorded.plan = plan;
  for_each_tensor(recorded.batch, recorded.plan, [](at::Tensor& tensor) {
    if (tensor.defined()) tensor = tensor.clone();
  });
  try {
    recorded.graph = std::make_unique<kernels::DeviceGraph>(
        device_, [&recorded, work] { recorded.pass = work(recorded.batch, recorded.plan); });
  } catch (const PluginError& error) {  // what LibTorch threw inside a plugin
    fail_recording(error);
  } catch (const c10::Error& error) {
    fail_recording(error);
  }
}

}  // namespace cairn

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <vector>

#include "cairn/error.h"
#include "cairn/modality.h"
#include "cairn/objective.h"
#include "evaluate/golden_parts.h"
#include "plugin/guard.h"
#include "plugin/search.h"

namespace cairn {
namespace {

/// A step as an objective sees it, with the leaves whose gradients the case expects.
struct GoldenStep {
  TensorMap leaves;   // "prediction", "online.0", ...
  TensorMap targets;  // "target", "target.0", ...
  std::vector<Encoded> contexts;
  std::vector<Pair> pairs;
  Plan plan;
};

at::Tensor leaf(const at::Tensor& input) { return input.detach().clone().set_requires_grad(true); }

/// The view number of "online.3"; -1 for names of another form.
std::int64_t number_behind(const std::string& name, const std::string& head) {
  if (!name.starts_with(head) || name.size() == head.size() || name.size() > head.size() + 3) return -1;
  const std::string digits = name.substr(head.size());
  return digits.find_first_not_of("0123456789") == std::string::npos ? std::stoll(digits) : -1;
}

/// Number of tensors "head0", "head1", ...
int count_views(const TensorMap& inputs, const std::string& head) {
  int count = 0;
  while (inputs.contains(head + std::to_string(count))) ++count;
  return count;
}

/// What the objective takes for the target of view `view`: the case's own target, or what its source makes of online.
at::Tensor raw_target(const GoldenStep& step, Source source, int view) {
  if (const auto given = step.targets.find(fmt::format("target.{}", view)); given != step.targets.end())
    return given->second;
  if (source == Source::none) return {};
  if (source == Source::teacher || source == Source::input)
    throw Error(fmt::format("the objective needs targets, and the case has no tensor 'input.target.{}'", view));
  const at::Tensor& online = step.leaves.at(fmt::format("online.{}", view));
  return source == Source::student ? online : online.detach();
}

at::Tensor refined(Objective& objective, const at::Tensor& target) {
  if (!target.defined()) return {};
  if (objective.target().source == Source::student) return objective.refine(target);
  const at::NoGradGuard no_grad;
  return objective.refine(target);
}

GoldenStep token_step(const GoldenInputs& inputs, Objective& objective) {
  GoldenStep step;
  step.leaves["prediction"] = leaf(inputs.input("prediction"));
  step.contexts.push_back({step.leaves["prediction"], {}, {}});
  step.plan = {{Context{}}, {Query{}}, false};
  step.pairs.push_back({step.leaves["prediction"], refined(objective, inputs.input("target")), nullptr});
  return step;
}

GoldenStep pooled_step(const GoldenInputs& inputs, Objective& objective) {
  GoldenStep step;
  const int views = count_views(inputs.inputs, "online."), targets = count_views(inputs.inputs, "target.");
  for (int view = 0; view < views; ++view) {
    const std::string name = fmt::format("online.{}", view);
    step.leaves[name] = leaf(inputs.input(name));
    step.contexts.push_back({{}, step.leaves[name], {}});
    step.plan.contexts.push_back({view, {}, {}});
  }
  for (int view = 0; view < targets; ++view) {
    const std::string name = fmt::format("target.{}", view);
    step.targets[name] = inputs.input(name);
  }
  const Source source = objective.target().source;
  std::vector<at::Tensor> refined_targets;
  for (int view = 0; view < (targets > 0 ? targets : views); ++view)
    refined_targets.push_back(refined(objective, raw_target(step, source, view)));
  for (int from = 0; from < views; ++from)
    for (int to = 0; to < static_cast<int>(refined_targets.size()); ++to) {
      if (from == to) continue;
      step.plan.queries.push_back({from, to, {}, Level::pooled, 0});
      step.pairs.push_back(
          {step.leaves[fmt::format("online.{}", from)], refined_targets[static_cast<std::size_t>(to)], nullptr});
    }
  return step;
}

/// Fills the objective's buffer of this name; one of no elements takes any shape.
void set_buffer(Objective& objective, const std::string& kind, const std::string& name, const at::Tensor& value) {
  const auto buffers = objective.named_buffers();
  const at::Tensor* found = buffers.find(name);
  if (found == nullptr)
    throw Error(fmt::format("the objective has no buffer '{}' to take '{}.{}'", name, kind, name), "",
                "register a buffer of that name");
  const at::NoGradGuard no_grad;
  at::Tensor buffer = *found;
  if (buffer.numel() == 0) buffer.resize_(value.sizes());
  if (buffer.sizes() != value.sizes())
    throw Error(fmt::format("the objective's buffer '{}' has another shape than '{}.{}'", name, kind, name));
  buffer.copy_(value);
}

bool is_signal(const std::string& name) {
  return name == "prediction" || name == "target" || number_behind(name, "online.") >= 0 ||
         number_behind(name, "target.") >= 0;
}

ObjectiveSetting setting_for(const GoldenInputs& inputs) {
  const bool tokens = inputs.inputs.contains("prediction");
  ObjectiveSetting setting;
  setting.prediction_width = inputs.input(tokens ? "prediction" : "online.0").size(-1);
  // Pixels are those of three channels where their number allows it; their arrangement is unknown here.
  const std::int64_t channels = setting.prediction_width % 3 == 0 ? 3 : 1;
  setting.tokenizer = {channels, {setting.prediction_width / channels}, {Axis::other}};
  return setting;
}

at::Tensor gradient_of(const at::Tensor& leaf) { return leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf); }

GoldenOutputs evaluate(Objective& objective, const GoldenInputs& inputs) {
  for (const auto& [name, value] : inputs.states) set_buffer(objective, "state", name, value);
  for (const auto& [name, value] : inputs.inputs)
    if (!is_signal(name)) set_buffer(objective, "input", name, value);
  GoldenStep step =
      inputs.inputs.contains("prediction") ? token_step(inputs, objective) : pooled_step(inputs, objective);
  if (step.pairs.empty()) throw Error("the case has fewer than two views, so that nothing is compared");
  for (std::size_t i = 0; i < step.pairs.size(); ++i) step.pairs[i].query = &step.plan.queries[i];
  const StepView view{step.pairs, step.contexts, &step.plan, {}};
  const at::Tensor loss = objective.evaluate(view).total;
  GoldenOutputs outputs;
  outputs.tensors["loss"] = loss.detach().reshape({1});
  loss.backward();
  for (const auto& [name, tensor] : step.leaves) outputs.tensors["grad." + name] = gradient_of(tensor);
  const at::NoGradGuard no_grad;
  objective.settle(view);
  for (const auto& buffer : objective.named_buffers()) outputs.tensors["state." + buffer.key()] = buffer.value();
  return outputs;
}

/// The one sample of a modality's data.
Batch only_sample(const Modality& modality, const std::string& name, Rng& rng) {
  const auto source = modality.open(Split::train, Purpose::evaluate);
  if (!source || source->size() != 1) throw DataError("the input of the case is not one sample", name);
  return modality.collate({source->load(0, rng)}, Purpose::evaluate);
}

/// A batch of one sample with one view, which has one channel.
Batch batch_of(const at::Tensor& values) {
  Batch batch;
  batch.views.push_back({values.unsqueeze(0).unsqueeze(0), {}, ViewRole::global});
  batch.sample_id = at::zeros({1}, at::kLong);
  batch.label = at::full({1}, -1, at::kLong);
  return batch;
}

}  // namespace

GoldenOutputs run_golden_objective(const GoldenComponent& component, const GoldenInputs& inputs, PluginLoader& loader) {
  const Component& found = find_component(loader, ComponentKind::objective, component.name);
  GoldenOutputs outputs = call_plugin(found.plugin, found.full_name(), [&] {
    const auto objective = std::get<ObjectiveFactory>(found.factory)(component.options, setting_for(inputs));
    return evaluate(*objective, inputs);
  });
  outputs.subject = found.full_name();
  return outputs;
}

GoldenOutputs run_golden_modality(const GoldenComponent& component, const GoldenInputs& inputs, PluginLoader& loader) {
  const Component& found = find_component(loader, ComponentKind::modality, component.name);
  if (inputs.inputs.size() > 1) throw Error("the case has several inputs, and a modality takes one sample");
  Value::Table options = component.options;
  if (inputs.inputs.empty()) options.emplace_back("path", component.file.string());
  return call_plugin(found.plugin, found.full_name(), [&]() -> GoldenOutputs {
    const auto modality = std::get<ModalityFactory>(found.factory)(options);
    Rng rng(0, Stream::load);
    Batch batch = inputs.inputs.empty() ? only_sample(*modality, component.file.string(), rng)
                                        : batch_of(inputs.inputs.begin()->second);
    modality->prepare(batch, Purpose::evaluate, rng);
    if (batch.views.empty()) throw DataError("no view was made of the input", component.file.string());
    return {found.full_name(), {{"view", batch.views.front().data[0]}}};
  });
}

}  // namespace cairn

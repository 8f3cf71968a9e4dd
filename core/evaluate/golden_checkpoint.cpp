#include <ATen/ATen.h>
#include <fmt/format.h>

#include <vector>

#include "cairn/error.h"
#include "cairn/nn/tokens.h"
#include "evaluate/golden_parts.h"
#include "model/published_network.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr double kTargetEpsilon = 1e-5;  // of the layer norm of the originals' targets

View view_of(const PublishedModel& model, const at::Tensor& data) {
  return {data, model.tokenizer.grid(data.sizes().slice(2).vec()), ViewRole::global};
}

/// The pictures or clips: the only input that is no list of tokens.
const at::Tensor& samples(const GoldenInputs& inputs) {
  for (const auto& [name, tensor] : inputs.inputs)
    if (tensor.is_floating_point()) return tensor;
  throw Error("the case has no input to encode");
}

/// Token lists asked for, "target" or "target.0", "target.1", ...
std::vector<TokenSet> targets(const GoldenInputs& inputs) {
  if (inputs.inputs.contains("target")) return {TokenSet{inputs.input("target")}};
  std::vector<TokenSet> found;
  for (int i = 0; inputs.inputs.contains(fmt::format("target.{}", i)); ++i)
    found.push_back({inputs.input(fmt::format("target.{}", i))});
  return found;
}

/// I-JEPA and V-JEPA 1: every tensor that golden/README.md names for `original/`.
GoldenOutputs run_original(const PublishedModel& model, const GoldenInputs& inputs, PluginLoader& loader) {
  const auto student = build_encoder(model, model.encoder, loader);
  const auto teacher = build_encoder(model, model.teacher ? *model.teacher : model.encoder, loader);
  const auto predictor = build_predictor(model, student.network->width(), loader);
  const View view = view_of(model, samples(inputs));
  const TokenSet context{inputs.input("context")};
  const Encoded seen = student.network->encode(view, {context, {}, {}});
  const at::Tensor goals = teacher.network->encode(view, {}).tokens;
  const at::Tensor normed = at::layer_norm(goals, {goals.size(-1)}, {}, {}, kTargetEpsilon);

  GoldenOutputs outputs{student.component + " and " + predictor.component, {}};
  outputs.tensors["encoder"] = student.network->encode(view, {}).tokens;
  outputs.tensors["target_encoder"] = goals;
  outputs.tensors["context"] = seen.tokens;
  const std::int64_t groups = model.predictor->weights.at("mask_tokens").size(0);
  for (std::int64_t group = 0; group < groups; ++group) {
    std::vector<at::Tensor> answers, wanted;
    for (const TokenSet& asked : targets(inputs)) {
      answers.push_back(predictor.network->predict(
          {seen, view.grid, context, view.grid, asked, Level::tokens, static_cast<int>(group)}));
      wanted.push_back(nn::gather_tokens(normed, asked));
    }
    if (answers.empty()) throw Error("the case has no tensor 'input.target' or 'input.target.0'");
    const at::Tensor prediction = at::cat(answers), target = at::cat(wanted);
    outputs.tensors[fmt::format("prediction.mask_token_{}", group)] = prediction;
    outputs.tensors[fmt::format("loss.mask_token_{}", group)] = at::l1_loss(prediction, target).view({1});
    if (group > 0) continue;
    outputs.tensors["prediction"] = prediction;
    outputs.tensors["loss"] = at::smooth_l1_loss(prediction, target).view({1});
  }
  return outputs;
}

/// An encoder of transformers: its `last_hidden_state` [B,N,D], the class token first where it has one.
GoldenOutputs run_huggingface(const PublishedModel& model, const GoldenInputs& inputs, PluginLoader& loader) {
  const auto encoder = build_encoder(model, model.encoder, loader);
  const View view = view_of(model, inputs.input("pixel_values"));
  const Encoded encoded = encoder.network->encode(view, {});
  const at::Tensor states =
      model.shows_class_token ? at::cat({encoded.pooled.unsqueeze(1), encoded.tokens}, 1) : encoded.tokens;
  return {encoder.component, {{"last_hidden_state", states}}};
}

}  // namespace

GoldenOutputs run_golden_checkpoint(const fs::path& folder, const GoldenInputs& inputs, PluginLoader& loader) {
  const at::NoGradGuard no_grad;
  if (fs::exists(folder / "architecture.json")) return run_original(read_original_folder(folder), inputs, loader);
  if (fs::exists(folder / "config.json")) return run_huggingface(read_huggingface(folder), inputs, loader);
  throw DataError("there is neither a case.toml nor a checkpoint beside case.safetensors", folder.string(),
                  "a checkpoint is config.json with model.safetensors, or architecture.json with a .pth.tar");
}

}  // namespace cairn

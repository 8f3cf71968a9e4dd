#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "cairn/error.h"
#include "cairn/nn/tokens.h"
#include "checkpoint/option_table.h"
#include "checkpoint/original_models.h"
#include "evaluate/golden_parts.h"
#include "model/network_source.h"
#include "model/published_network.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr double kTargetEpsilon = 1e-5;  // of the layer norm of the originals' targets

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

/// What the predictor says of the seen places themselves when it is asked about `asked` with them.
at::Tensor seen_answers(Predictor& predictor, const Encoded& seen, const View& view, const TokenSet& context,
                        const TokenSet& asked, std::int64_t group) {
  const TokenSet both{at::cat({asked.index, context.index}, 1)};
  return predictor
      .predict({seen, view.grid, context, view.grid, both, Level::tokens, static_cast<int>(group), /*seen_too=*/true})
      .narrow(1, asked.index.size(1), context.index.size(1));
}

/// I-JEPA and V-JEPA: every tensor that golden/README.md names for `original/`.
GoldenOutputs run_original(const PublishedModel& model, const GoldenInputs& inputs, PluginLoader& loader) {
  const bool has_levels = model.predictor && model.predictor->input_width > 0;
  const auto whole = [&](const PublishedNetwork& encoder) {
    return build_encoder(model, has_levels ? fused(encoder) : encoder, loader);
  };
  const auto student = whole(model.encoder), teacher = whole(model.teacher ? *model.teacher : model.encoder);
  const auto predictor = build_predictor(model, student.network->width(), loader);
  const View view = view_for(model, samples(inputs));
  const TokenSet context{inputs.input("context")};
  const Encoded seen = student.network->encode(view, {context, {}, {}});
  const at::Tensor goals = teacher.network->encode(view, {}).tokens;
  const auto width = option_or(model.encoder.options, "width", goals.size(-1));
  const at::Tensor normed =
      at::layer_norm(goals.unflatten(-1, {-1, width}), {width}, {}, {}, kTargetEpsilon).flatten(-2);
  // Of an encoder with levels the features are those of the last one.
  const auto last = [&](const at::Tensor& x) { return x.slice(-1, x.size(-1) - width); };

  GoldenOutputs outputs{student.component + " and " + predictor.component, {}};
  const at::Tensor every = student.network->encode(view, {}).tokens;
  outputs.tensors["encoder"] = last(every);
  outputs.tensors["target_encoder"] = last(goals);
  outputs.tensors["context"] = last(seen.tokens);
  outputs.tensors["encoder.levels"] = every;
  outputs.tensors["target_encoder.levels"] = goals;
  outputs.tensors["context.levels"] = seen.tokens;
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
    if (option_or(model.predictor->options, "seen_outputs", false))
      outputs.tensors[fmt::format("prediction.context.mask_token_{}", group)] =
          seen_answers(*predictor.network, seen, view, context, targets(inputs).front(), group);
    if (group == 0) outputs.tensors["prediction"] = prediction;
    if (prediction.sizes() != target.sizes()) continue;  // distilled from a wider teacher
    outputs.tensors[fmt::format("loss.mask_token_{}", group)] = at::l1_loss(prediction, target).view({1});
    if (group == 0) outputs.tensors["loss"] = at::smooth_l1_loss(prediction, target).view({1});
  }
  return outputs;
}

/// Pictures [B,C,H,W], or clips [B,T,C,H,W] as [B,C,T,H,W]. A clip shorter than a patch is repeated, and what is left
/// over behind the last whole patch is cut off, as transformers does.
View huggingface_view(const PublishedModel& model, const GoldenInputs& inputs) {
  const bool is_named_video = inputs.inputs.contains("pixel_values_videos");
  at::Tensor data = inputs.input(is_named_video ? "pixel_values_videos" : "pixel_values");
  const std::vector<std::int64_t>& patch = model.tokenizer.patch;
  const auto axes = static_cast<std::int64_t>(patch.size());
  const bool is_picture = option_or(model.encoder.options, "picture_tokenizer", false) &&
                          (data.dim() == axes + 1 || (data.dim() == axes + 2 && data.size(1) == 1));
  if (is_picture) return view_for(model, data.dim() == axes + 1 ? data : data.squeeze(1));
  if (data.dim() != axes + 2)
    throw Error(
        fmt::format("the pixels have {} dimensions, and this {} takes {}", data.dim(), model.format, patch.size() + 2));
  if (patch.size() == 3) {
    data = data.transpose(1, 2);
    if (data.size(2) < patch[0]) data = data.repeat({1, 1, patch[0], 1, 1});
  }
  for (std::size_t a = 0; a < patch.size(); ++a) {
    const auto axis = static_cast<std::int64_t>(a) + 2;
    data = data.narrow(axis, 0, data.size(axis) / patch[a] * patch[a]);
  }
  return view_for(model, data);
}

/// Ids of the tokens where `mask` [B,N] is true, the same number in every row.
TokenSet ids_where(const at::Tensor& mask) {
  const at::Tensor places = mask.nonzero().select(1, 1);
  if (mask.size(0) == 0 || places.size(0) % mask.size(0) != 0 ||
      !mask.sum(1).eq(places.size(0) / mask.size(0)).all().item<bool>())
    throw Error("the rows of the mask do not hide equally many tokens");
  return {places.view({mask.size(0), -1})};
}

/// The patches that a masked autoencoder was trained to give, [B,N,P]: rows, columns, then channels.
at::Tensor patches_to_give(const PublishedModel& model, const View& view) {
  const Reconstruction& goal = *model.reconstruction;
  const std::int64_t channels = model.tokenizer.channels;
  at::Tensor data = view.data;
  if (goal.is_unnormalised) {
    std::vector<std::int64_t> shape(data.dim(), 1);
    shape[1] = channels;
    data = data * at::tensor({0.229, 0.224, 0.225}, at::kFloat).view(shape) +
           at::tensor({0.485, 0.456, 0.406}, at::kFloat).view(shape);
  }
  const at::Tensor cut = nn::cut_patches(data, model.tokenizer);  // channel slowest
  const at::Tensor values = cut.unflatten(2, {channels, -1}).transpose(2, 3);
  const auto standardised = [](const at::Tensor& x, std::int64_t axis, double inside, double outside) {
    return (x - x.mean(axis, true)) / ((x.var(axis, /*unbiased=*/true, /*keepdim=*/true) + inside).sqrt() + outside);
  };
  if (goal.norm == PatchNorm::patch) return standardised(values.flatten(2), 2, 1e-6, 0.0);
  if (goal.norm == PatchNorm::patch_channel) return standardised(values, 2, 0.0, 1e-6).flatten(2);
  return values.flatten(2);
}

/// What a case of a masked autoencoder hides, if it does.
struct Hidden {
  TokenSet visible;
  at::Tensor mask;  // [B,N], true where hidden
};

/// By noise: the lowest values stay, in their order (MAE); or by `bool_masked_pos` (VideoMAE).
Hidden hidden_tokens(const PublishedModel& model, const View& view, const GoldenInputs& inputs, TensorMap& outputs) {
  if (!model.reconstruction) return {};
  if (inputs.inputs.contains("bool_masked_pos")) {
    const at::Tensor mask = inputs.input("bool_masked_pos").to(at::kBool);
    return {ids_where(mask.logical_not()), mask};
  }
  if (!inputs.inputs.contains("noise")) return {};
  const at::Tensor order = inputs.input("noise").argsort(/*stable=*/true, 1);
  const auto count = static_cast<double>(view.grid.count());
  const TokenSet visible{
      order.narrow(1, 0, static_cast<std::int64_t>(count * (1.0 - model.reconstruction->mask_ratio)))};
  outputs["mask"] = at::ones_like(inputs.input("noise")).scatter_(1, visible.index, 0.0);
  outputs["ids_restore"] = order.argsort(/*stable=*/true, 1);
  return {visible, outputs["mask"].to(at::kBool)};
}

/// Logits and loss of ViTMAEForPreTraining, which predicts every place and counts the hidden ones, and of
/// VideoMAEForPreTraining, which predicts those alone.
void run_decoder(const PublishedModel& model, const View& view, const Hidden& hidden, const Encoded& seen,
                 Predictor& predictor, TensorMap& outputs) {
  const TokenSet asked = outputs.contains("mask") ? TokenSet{} : ids_where(hidden.mask);
  const at::Tensor answers = predictor.predict({seen, view.grid, hidden.visible, view.grid, asked, Level::tokens, 0});
  const at::Tensor error = (answers - nn::gather_tokens(patches_to_give(model, view), asked)).square().mean(-1);
  outputs["logits"] = answers;
  outputs["loss"] = (asked.all() ? error.masked_select(hidden.mask) : error).mean().view({1});
}

/// VJEPA2Model: the encoder sees all tokens, the predictor those of the context, with mask token 1.
void run_jepa_predictor(const PublishedModel& model, const View& view, const Encoded& encoded, Predictor& predictor,
                        const GoldenInputs& inputs, PluginLoader& loader, TensorMap& outputs) {
  const at::Tensor every = at::arange(view.grid.count()).expand({encoded.tokens.size(0), -1});
  const auto ids = [&](const char* name) {
    return TokenSet{inputs.inputs.contains(name) ? inputs.input(name) : every};
  };
  const TokenSet context = ids("context_mask"), target = ids("target_mask");
  Encoded seen;
  const bool has_levels = model.predictor->input_width > 0;
  seen.tokens = nn::gather_tokens(
      has_levels ? build_encoder(model, fused(model.encoder), loader).network->encode(view, {}).tokens : encoded.tokens,
      context);
  const int group = model.predictor->weights.at("mask_tokens").size(0) > 1 ? 1 : 0;
  outputs["predictor_last_hidden_state"] =
      predictor.predict({seen, view.grid, context, view.grid, target, Level::tokens, group});
  outputs["masked_hidden_state"] = seen.tokens;
  outputs["target_hidden_state"] = nn::gather_tokens(encoded.tokens, target);
}

/// The encoder with mask tokens where `mask` [B,N] is true. Rows may hide different numbers of tokens: each is a batch
/// of its own.
Encoded encode_masked(Encoder& encoder, const View& view, const at::Tensor& mask) {
  if (mask.dim() != 2 || mask.size(0) != view.data.size(0) || mask.size(1) != view.grid.count())
    throw Error(fmt::format("the mask has the shape [{}], and the views have {} tokens", fmt::join(mask.sizes(), ", "),
                            view.grid.count()));
  std::vector<at::Tensor> tokens, special;
  for (std::int64_t row = 0; row < mask.size(0); ++row) {
    Look look;
    if (const at::Tensor hidden = mask.narrow(0, row, 1).to(at::kBool); hidden.any().item<bool>())
      look.masked = ids_where(hidden);
    const View one{view.data.narrow(0, row, 1), view.grid, view.role};
    const Encoded encoded = encoder.encode(one, look);
    tokens.push_back(encoded.tokens);
    if (encoded.special.defined()) special.push_back(encoded.special);
  }
  Encoded all;
  all.tokens = at::cat(tokens);
  if (!special.empty()) all.special = at::cat(special);
  return all;
}

/// A model of transformers: whatever golden/README.md names for `checkpoints/` and its inputs allow.
GoldenOutputs run_huggingface(const PublishedModel& model, const GoldenInputs& inputs, PluginLoader& loader) {
  const auto encoder = build_encoder(model, model.encoder, loader);
  const View view = huggingface_view(model, inputs);
  GoldenOutputs outputs{encoder.component, {}};
  const Hidden hidden = hidden_tokens(model, view, inputs, outputs.tensors);
  const bool is_masked = !model.reconstruction && inputs.inputs.contains("bool_masked_pos");
  const Encoded encoded = is_masked ? encode_masked(*encoder.network, view, inputs.input("bool_masked_pos"))
                                    : encoder.network->encode(view, {hidden.visible, {}, {}});
  outputs.tensors["last_hidden_state"] = last_hidden_state(encoded);
  outputs.tensors["pooler_output"] = last_hidden_state(encoded).select(1, 0);
  if (model.head)
    outputs.tensors[model.head->is_pooler ? "pooler_output" : "logits"] = apply_head(model, view, encoded, loader);
  if (!model.predictor) return outputs;
  const auto predictor = build_predictor(model, encoder.network->width(), loader);
  outputs.subject += " and " + predictor.component;
  if (hidden.mask.defined()) {
    run_decoder(model, view, hidden, encoded, *predictor.network, outputs.tensors);
  } else if (!model.reconstruction) {
    run_jepa_predictor(model, view, encoded, *predictor.network, inputs, loader, outputs.tensors);
  }
  return outputs;
}

}  // namespace

GoldenOutputs run_golden_checkpoint(const fs::path& folder, const GoldenInputs& inputs, PluginLoader& loader) {
  const at::NoGradGuard no_grad;
  if (fs::exists(folder / "config.json")) return run_huggingface(read_huggingface(folder), inputs, loader);
  const bool has_file = std::any_of(fs::directory_iterator(folder), fs::directory_iterator(),
                                    [](const auto& entry) { return is_checkpoint_name(entry.path()); });
  if (!has_file)
    throw DataError("there is neither a case.toml nor a checkpoint beside case.safetensors", folder.string(),
                    "a checkpoint is config.json with model.safetensors, or a .pth, .pth.tar or .pt file");
  PublishedModel model = read_original_model(folder);
  if (inputs.inputs.contains("context")) return run_original(model, inputs, loader);
  if (model.teacher) std::swap(model.encoder, *model.teacher);  // as cairn extract does
  return run_huggingface(model, inputs, loader);
}

}  // namespace cairn

#include "checkpoint/original_heads.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "cairn/error.h"
#include "checkpoint/option_table.h"
#include "checkpoint/original_keys.h"

namespace cairn {
namespace {

constexpr double kProbeEpsilon = 1e-5;      // torch's layer norm, which the probes were built with
constexpr double kBatchNormEpsilon = 1e-6;  // of MAE's linear probe

/// The prefix of a linear classifier's names: "linear." (DINO) or none (DINOv2). Nothing for other tensors.
std::optional<std::string> linear_prefix(const TensorMap& tensors) {
  for (const char* prefix : {"linear.", ""})
    if (tensors.size() == 2 && tensors.contains(std::string(prefix) + "weight") &&
        tensors.contains(std::string(prefix) + "bias"))
      return prefix;
  return std::nullopt;
}

PublishedHead read_attentive(WeightSource& weights, const Sizes& sizes, const PublishedModel& model) {
  const auto heads = option_or(model.encoder.options, "heads", std::int64_t{1});
  constexpr std::int64_t kProbeHeads = 16;  // of V-JEPA 2's probes; V-JEPA 1's have the encoder's
  PublishedHead head;
  head.input = HeadInput::attentive;
  head.pooler.width = option_or(model.encoder.options, "width", std::int64_t{0});
  head.pooler.hidden = weights.rows("pooler.cross_attention_block.mlp.fc1.weight", 4 * head.pooler.width);
  head.pooler.is_projected = weights.has("pooler.cross_attention_block.xattn.proj.weight");
  head.pooler.epsilon = sizes.real("head_norm_epsilon", kProbeEpsilon);
  const TimmKeys keys = attentive_probe_keys(weights);
  head.pooler.blocks = keys.depth;
  const bool is_second = keys.depth > 0 && head.pooler.width % kProbeHeads == 0;
  head.pooler.heads = sizes.value("head_num_heads", is_second ? kProbeHeads : heads);
  weights.move(keys.keys, head.weights);
  return head;
}

/// Class tokens of the last blocks side by side, and the mean of the patches behind them.
PublishedHead read_linear(WeightSource& weights, const std::string& prefix, const Sizes& sizes,
                          const PublishedModel& model) {
  const auto width = std::max<std::int64_t>(1, option_or(model.encoder.options, "width", std::int64_t{1}));
  PublishedHead head;
  KeyMap keys;
  for (const std::string part : {"weight", "bias"}) keys.same(prefix + part, "linear." + part);
  weights.move(keys, head.weights);
  const auto found = head.weights.find("linear.weight");
  const std::int64_t columns = found == head.weights.end() || found->second.dim() != 2 ? 0 : found->second.size(1);
  const std::int64_t parts = columns / width;
  if (parts < 1 || columns % width != 0)
    throw DataError(
        fmt::format("the linear classifier takes {} features, no multiple of the encoder's {}", columns, width),
        sizes.checkpoint());
  // DINO gives a small network's classifier four class tokens, and a base one's a class token and the mean; DINOv2 one
  // or four of them, and the mean.
  const bool has_mean = sizes.flag("head_mean", parts == 2 || parts == 5);
  head.input = has_mean ? HeadInput::first_and_mean : HeadInput::first;
  head.blocks = has_mean ? parts - 1 : parts;
  return head;
}

}  // namespace

bool is_head_alone(const TensorMap& tensors) {
  return tensors.contains("pooler.query_tokens") || linear_prefix(tensors).has_value();
}

PublishedHead read_head_alone(const TensorMap& tensors, const Sizes& sizes, const PublishedModel& model) {
  WeightSource weights(tensors);
  const auto prefix = linear_prefix(tensors);
  PublishedHead head = prefix ? read_linear(weights, *prefix, sizes, model) : read_attentive(weights, sizes, model);
  std::string faults;
  for (const std::string& line : weights.complaints()) faults += "\n  " + line;
  if (!faults.empty()) throw DataError("the weights are not those of a classifier:" + faults, sizes.checkpoint());
  return head;
}

std::optional<PublishedHead> read_inner_head(WeightSource& weights, const PublishedModel& model) {
  const bool is_probe = weights.has("head.1.weight") && weights.has("head.0.running_var");
  if (!is_probe && !weights.has("head.weight")) return std::nullopt;
  PublishedHead head;
  KeyMap keys;
  keys.affine(is_probe ? "head.1" : "head", "linear");
  const bool has_norm = weights.has("fc_norm.weight");
  if (has_norm) keys.affine("fc_norm", "norm");
  weights.move(keys, head.weights);
  head.epsilon = option_or(model.encoder.options, "norm_epsilon", 1e-6);
  head.input = has_norm || !model.encoder.weights.contains("class_token") ? HeadInput::mean : HeadInput::first;
  if (!is_probe) return head;
  // A batch norm without affine map stands before the linear one: both are one map.
  const auto mean = weights.take("head.0.running_mean"), variance = weights.take("head.0.running_var");
  weights.drop("head.0.");
  const auto weight = head.weights.find("linear.weight"), bias = head.weights.find("linear.bias");
  if (!mean || !variance || weight == head.weights.end() || bias == head.weights.end()) return head;
  if (mean->dim() != 1 || variance->sizes() != mean->sizes() || weight->second.dim() != 2 ||
      weight->second.size(1) != mean->size(0) || bias->second.dim() != 1 ||
      bias->second.size(0) != weight->second.size(0))
    throw DataError("the head's batch norm and its linear map do not go together", model.format);
  weight->second = weight->second / (*variance + kBatchNormEpsilon).sqrt();
  bias->second = bias->second - weight->second.mv(*mean);
  return head;
}

}  // namespace cairn

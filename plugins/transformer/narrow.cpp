#include "narrow.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>

#include "cairn/error.h"
#include "vit.h"

namespace cairn::transformer {

namespace {

std::int64_t heads_of(const NarrowOptions& options, std::int64_t encoder_width) {
  if (options.heads > 0) return options.heads;
  const std::int64_t encoder_heads = preset_heads(encoder_width);
  if (encoder_heads > 0 && options.width % encoder_heads == 0) return encoder_heads;
  return std::max<std::int64_t>(1, options.width / 32);
}

}  // namespace

Schema<NarrowOptions> NarrowOptions::schema() {
  using O = NarrowOptions;
  Schema<O> s("Narrow transformer with mask tokens: the predictor of I-JEPA and V-JEPA, the decoder of MAE");
  s.option("width", &O::width, "features of a token inside the predictor").range(1, 16384);
  s.option("depth", &O::depth, "number of blocks").range(1, 256);
  s.option("heads", &O::heads, "attention heads; 0: those of the encoder's preset, or one for 32 features")
      .range(0, 256);
  s.option("mlp_ratio", &O::mlp_ratio, "hidden width of the MLPs over width").range(0.01, 64);
  s.option("groups", &O::groups, "number of mask tokens: one for each group of queries the masker makes")
      .range(1, 1024);
  s.option("zero_mask_tokens", &O::zero_mask_tokens, "mask tokens start at zero, as in V-JEPA");
  s.option("position_order", &O::position_order, {{"xy", nn::PositionOrder::xy}, {"yx", nn::PositionOrder::yx}},
           "first half of a position on two axes: x as in I-JEPA, or y as in V-JEPA");
  s.option("uniform_power", &O::uniform_power, "equal shares of a position for three axes; false: half for time");
  s.option("norm_epsilon", &O::norm_epsilon, "epsilon of the layer norms").range(1e-12, 1);
  s.option("init", &O::init, {{"jepa", nn::Init::jepa}, {"xavier", nn::Init::xavier}},
           "weights at the start: normal of deviation 0.02, or Xavier uniform");
  s.option("depth_rescale", &O::depth_rescale, "divide the last weights of block l by sqrt(2 l), as V-JEPA 2 does");
  return s;
}

Narrow::Narrow(const NarrowOptions& options, const PredictorSetting& setting)
    : positions_(options.width, {options.position_order, options.uniform_power}) {
  nn::BlockOptions block;
  block.width = options.width;
  block.heads = heads_of(options, setting.input_width);
  block.hidden = static_cast<std::int64_t>(static_cast<double>(options.width) * options.mlp_ratio);
  block.epsilon = options.norm_epsilon;
  embed_ = register_module("embed", torch::nn::Linear(setting.input_width, options.width));
  mask_tokens_ = register_parameter("mask_tokens", at::zeros({options.groups, 1, options.width}));
  blocks_ = register_module("blocks", std::make_shared<nn::Blocks>(block, options.depth));
  norm_ = register_module("norm",
                          torch::nn::LayerNorm(torch::nn::LayerNormOptions({options.width}).eps(options.norm_epsilon)));
  project_ = register_module("project", torch::nn::Linear(options.width, setting.output_width));
  nn::initialise(*this, options.init);
  if (!options.zero_mask_tokens) nn::fill_normal(mask_tokens_);
  if (options.depth_rescale) nn::rescale_by_depth(*blocks_);
  for (const ViewLayout& view : setting.views) positions_.table(view.grid, at::kCPU);  // wrong widths fail here
}

at::Tensor Narrow::predict(const Question& question) {
  if (question.level != Level::tokens)
    throw Error("a question about the pooled feature", "predictor transformer.narrow",
                "it predicts tokens: use transformer.mlp, or no predictor");
  if (question.group < 0 || question.group >= mask_tokens_.size(0))
    throw ConfigError("groups",
                      "the masker asks a question of group " + std::to_string(question.group) +
                          ", and there are mask tokens for " + std::to_string(mask_tokens_.size(0)),
                      "set groups = " + std::to_string(question.group + 1));
  const at::Tensor embedded = embed_(question.seen.tokens);
  const at::Tensor seen = embedded + positions_.positions(question.seen_grid, question.seen_at, embedded.device());
  const at::Tensor places = positions_.positions(question.asked_grid, question.asked_at, embedded.device());
  const at::Tensor asked = (mask_tokens_[question.group] + places).expand({seen.size(0), -1, -1});
  return project_(norm_(blocks_->forward(at::cat({seen, asked}, 1), seen.size(1))));
}

}  // namespace cairn::transformer

#include "narrow.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>

#include "cairn/error.h"
#include "cairn/nn/tokens.h"
#include "checks.h"
#include "vit.h"

namespace cairn::transformer {

namespace {

std::int64_t heads_of(const NarrowOptions& options, std::int64_t encoder_width) {
  if (options.heads > 0) return options.heads;
  const std::int64_t encoder_heads = preset_heads(encoder_width);
  if (encoder_heads > 0 && options.width % encoder_heads == 0) return encoder_heads;
  return std::max<std::int64_t>(1, options.width / 32);
}

nn::BlockOptions block_options(const NarrowOptions& options, std::int64_t encoder_width) {
  nn::BlockOptions block;
  block.width = options.width;
  block.heads = heads_of(options, encoder_width);
  block.hidden = hidden_width(options.width, options.mlp_ratio);
  block.qkv_bias = options.qkv_bias;
  block.key_bias = options.key_bias;
  block.activation = options.activation;
  block.gated = options.gated;
  block.layer_scale = options.layer_scale;
  block.epsilon = options.norm_epsilon;
  return block;
}

PlaceSetting place_setting(const NarrowOptions& options, std::int64_t encoder_width) {
  PlaceSetting setting;
  setting.form = options.positions;
  setting.layout = {options.position_order, options.uniform_power};
  setting.rotary = options.rotary_layout;
  setting.rotary_grid = options.rotary_grid;
  setting.numbering = options.rotary_numbering;
  setting.resize.is_flat = options.resize_flat;
  setting.width = options.width;
  setting.head_width = options.width / heads_of(options, encoder_width);
  setting.leading = options.class_token ? 1 : 0;
  return setting;
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
  s.option("class_token", &O::class_token, "the encoder's class token is seen too, as in MAE");
  s.option("whole_grid", &O::whole_grid,
           "every place takes part, seen tokens where they stand and mask tokens elsewhere, as in MAE; false: the seen "
           "and the asked ones");
  add_place_options(s);
  s.option("resize_flat", &O::resize_flat,
           "resize learned positions along the running number of the token, as transformers does in MAE's decoder");
  s.option(
       "fuse", &O::fuse,
       "features that several levels of the encoder are fused to, by a linear map and GELU, before the map into the "
       "predictor: the encoder's width in V-JEPA 2.1; 0: not")
      .range(0, 16384);
  s.option("seen_outputs", &O::seen_outputs,
           "seen places that are asked about are answered from their own tokens, by a head of their own, as in V-JEPA "
           "2.1; false: from mask tokens");
  s.option("marks", &O::marks,
           "tokens of clips, and of pictures, are marked by a learned vector each, as in V-JEPA 2.1");
  s.option("embed_bias", &O::embed_bias, "bias of the map into the predictor");
  s.option("qkv_bias", &O::qkv_bias, "biases of queries, keys and values");
  s.option("key_bias", &O::key_bias, "with qkv_bias; false: queries and values only, as in VideoMAE");
  s.option("activation", &O::activation, nn::kActivations, "in the MLPs");
  s.option("gated", &O::gated,
           "SwiGLU in the MLPs instead of the activation; mlp_ratio is that of each of its two halves");
  s.option("layer_scale", &O::layer_scale, "start of a learned scale on each branch; 0: none").range(0, 10);
  s.option("norm_epsilon", &O::norm_epsilon, "epsilon of the layer norms").range(1e-12, 1);
  s.option("last_norm_epsilon", &O::last_norm_epsilon, "epsilon of the norm behind the blocks; 0: norm_epsilon")
      .range(0, 1);
  s.option("init", &O::init, {{"jepa", nn::Init::jepa}, {"xavier", nn::Init::xavier}},
           "weights at the start: normal of deviation 0.02, or Xavier uniform");
  s.option("depth_rescale", &O::depth_rescale, "divide the last weights of block l by sqrt(2 l), as V-JEPA 2 does");
  return s;
}

Narrow::Narrow(const NarrowOptions& options, const PredictorSetting& setting)
    : has_class_token_(options.class_token),
      is_whole_grid_(options.whole_grid),
      places_(place_setting(options, setting.input_width), setting.views) {
  if (options.seen_outputs && options.whole_grid)
    throw ConfigError("seen_outputs", "with whole_grid seen places are answered from their own tokens already",
                      "set seen_outputs = false, or whole_grid = false");
  const std::int64_t input = options.fuse > 0 ? options.fuse : setting.input_width;
  if (options.fuse > 0) fuse_ = register_module("fuse", torch::nn::Linear(setting.input_width, options.fuse));
  embed_ = register_module("embed",
                           torch::nn::Linear(torch::nn::LinearOptions(input, options.width).bias(options.embed_bias)));
  mask_tokens_ = register_parameter("mask_tokens", at::zeros({options.groups, 1, options.width}));
  blocks_ = register_module("blocks",
                            std::make_shared<nn::Blocks>(block_options(options, setting.input_width), options.depth));
  const double epsilon = options.last_norm_epsilon > 0 ? options.last_norm_epsilon : options.norm_epsilon;
  norm_ = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({options.width}).eps(epsilon)));
  project_ = register_module("project", torch::nn::Linear(options.width, setting.output_width));
  if (options.seen_outputs)
    project_seen_ = register_module("project_seen", torch::nn::Linear(options.width, setting.output_width));
  if (options.marks) {
    picture_mark_ = register_parameter("picture_mark", at::empty({1, 1, options.width}));
    clip_mark_ = register_parameter("clip_mark", at::empty({1, 1, options.width}));
  }
  nn::initialise(*this, options.init);
  if (!options.zero_mask_tokens) nn::fill_normal(mask_tokens_);
  for (const at::Tensor& mark : {picture_mark_, clip_mark_})
    if (mark.defined()) nn::fill_normal(mark);
  if (options.depth_rescale) nn::rescale_by_depth(*blocks_);
  if (!places_.table.defined()) return;
  places_.table = register_parameter("positions", places_.table);
  nn::fill_normal(places_.table);
}

void Narrow::check(const Context&, const Query& asked) const {
  require_tokens(asked.level);
  if (asked.group < 0 || asked.group >= mask_tokens_.size(0))
    throw ConfigError("groups",
                      "the masker asks a question of group " + std::to_string(asked.group) +
                          ", and there are mask tokens for " + std::to_string(mask_tokens_.size(0)),
                      "set groups = " + std::to_string(asked.group + 1));
}

at::Tensor Narrow::predict(const Question& question) {
  check({}, {0, 0, {}, question.level, question.group});
  if (is_whole_grid_) return answer_grid(question);
  return project_seen_ && question.seen_too ? answer_all(question) : answer_asked(question);
}

at::Tensor Narrow::embed(const at::Tensor& tokens) { return embed_(fuse_ ? at::gelu(fuse_(tokens)) : tokens); }

at::Tensor Narrow::mark(const Question& question) const {
  if (!clip_mark_.defined()) return {};
  const TokenGrid& grid = question.asked_grid;
  const bool is_picture = !grid.axes.empty() && grid.axes.front() == Axis::time && grid.extent.front() == 1;
  return is_picture ? picture_mark_ : clip_mark_;
}

at::Tensor Narrow::leading(const Question& question) {
  if (!has_class_token_) return {};
  if (!question.seen.special.defined())
    throw ConfigError("class_token", "the predictor wants a class token, and the encoder makes none",
                      "set encoder.class_token = true, or predictor.class_token = false");
  const at::Tensor token = embed(question.seen.special.narrow(1, 0, 1)), place = places_.leading();
  return place.defined() ? token + place : token;
}

at::Tensor Narrow::process(const Question& question, bool wants_seen) {
  at::Tensor seen = embed(question.seen.tokens);
  const at::Device device = seen.device();
  const std::int64_t rows = seen.size(0),
                     places = question.asked_at.all() ? question.asked_grid.count() : question.asked_at.index.size(1);
  at::Tensor asked = mask_tokens_[question.group].expand({rows, places, -1});
  nn::Rotation turn;
  const at::Tensor first = leading(question);
  const std::int64_t fixed = first.defined() ? 1 : 0;
  if (const at::Tensor place = places_.added(question.seen_grid, question.seen_at, device); place.defined()) {
    seen = seen + place;
    asked = asked + places_.added(question.asked_grid, question.asked_at, device);
  } else {
    turn = nn::join(places_.rotation(question.seen_grid, question.seen_at, fixed, device),
                    places_.rotation(question.asked_grid, question.asked_at, 0, device));
  }
  at::Tensor all = first.defined() ? at::cat({first, seen, asked}, 1) : at::cat({seen, asked}, 1);
  if (const at::Tensor kind = mark(question); kind.defined()) all = all + kind;
  const std::int64_t from = wants_seen ? fixed : all.size(1) - places;
  const nn::Packing packing({{fixed}, {seen.size(1), question.seen_at.lengths}, {places}}, rows, device);
  if (!packing.defined()) return norm_(blocks_->forward(all, from, turn));
  const at::Tensor packed = blocks_->forward(packing.pack(all), nn::Arrangement{0, turn, packing});
  return packing.unpack(norm_(packed)).narrow(1, from, all.size(1) - from);
}

at::Tensor Narrow::answer_asked(const Question& question) { return project_(process(question, /*wants_seen=*/false)); }

at::Tensor Narrow::answer_all(const Question& question) {
  const std::int64_t seen = question.seen_at.index.size(1), hidden = question.asked_at.index.size(1) - seen;
  Question rest = question;
  rest.asked_at.index = question.asked_at.index.narrow(1, 0, hidden);
  const at::Tensor x = process(rest, /*wants_seen=*/true);
  return at::cat({project_(x.narrow(1, seen, hidden)), project_seen_(x.narrow(1, 0, seen))}, 1);
}

at::Tensor Narrow::answer_grid(const Question& question) {
  if (!(question.seen_grid == question.asked_grid))
    throw ConfigError("whole_grid",
                      "the predictor covers one grid, and is asked about " + question.asked_grid.text() + " from " +
                          question.seen_grid.text(),
                      "set whole_grid = false");
  at::Tensor x = embed(question.seen.tokens);
  if (!question.seen_at.all()) {
    const at::Tensor hidden =
        mask_tokens_[question.group].to(x.scalar_type()).expand({x.size(0), question.seen_grid.count(), -1});
    x = hidden.scatter(1, question.seen_at.index.unsqueeze(-1).expand({-1, -1, x.size(2)}), x);
  }
  if (const at::Tensor place = places_.added(question.seen_grid, {}, x.device()); place.defined()) x = x + place;
  const at::Tensor first = leading(question);
  const std::int64_t fixed = first.defined() ? 1 : 0;
  if (first.defined()) x = at::cat({first, x}, 1);
  x = blocks_->forward(x, fixed, places_.rotation(question.seen_grid, {}, fixed, x.device()));
  return project_(norm_(nn::gather_tokens(x, question.asked_at)));
}

}  // namespace cairn::transformer

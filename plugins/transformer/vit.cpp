#include "vit.h"

#include <ATen/ATen.h>

#include <array>
#include <utility>

#include "cairn/error.h"
#include "cairn/nn/tokens.h"

namespace cairn::transformer {

namespace {

struct Preset {
  const char* name;
  VitShape shape;
};

constexpr std::array<Preset, 7> kPresets = {{
    {"tiny", {192, 12, 3, 768}},
    {"small", {384, 12, 6, 1536}},
    {"base", {768, 12, 12, 3072}},
    {"large", {1024, 24, 16, 4096}},
    {"huge", {1280, 32, 16, 5120}},
    {"giant", {1408, 40, 16, 6144}},
    {"gigantic", {1664, 48, 16, 8192}},
}};

nn::BlockOptions block_options(const VitOptions& options, const VitShape& shape) {
  nn::BlockOptions block;
  block.width = shape.width;
  block.heads = shape.heads;
  block.hidden = shape.hidden;
  block.qkv_bias = options.qkv_bias;
  block.gated = options.gated;
  block.layer_scale = options.layer_scale;
  block.drop_path = options.drop_path;
  block.epsilon = options.norm_epsilon;
  return block;
}

}  // namespace

Schema<VitOptions> VitOptions::schema() {
  using O = VitOptions;
  Schema<O> s("Vision transformer over images, video or spectrograms");
  s.option("preset", &O::preset, "size by name; empty: width, depth and heads say it")
      .choices({"", "tiny", "small", "base", "large", "huge", "giant", "gigantic"});
  s.option("width", &O::width, "features of a token; 0: the preset's").range(0, 16384);
  s.option("depth", &O::depth, "number of blocks; 0: the preset's").range(0, 256);
  s.option("heads", &O::heads, "attention heads; 0: the preset's, or one for 64 features").range(0, 256);
  s.option("mlp_ratio", &O::mlp_ratio, "hidden width of the MLPs over width; 0: the preset's, or 4").range(0, 64);
  s.option("positions", &O::positions, {{"sincos", Positions::sincos}, {"learned", Positions::learned}},
           "fixed sines and cosines, or a learned table for the first view's grid, resized for others");
  s.option("position_order", &O::position_order, {{"xy", nn::PositionOrder::xy}, {"yx", nn::PositionOrder::yx}},
           "first half of a position on two axes: x as in I-JEPA, or y as in V-JEPA");
  s.option("uniform_power", &O::uniform_power, "equal shares of a position for three axes; false: half for time");
  s.option("class_token", &O::class_token, "a learned token before the patches");
  s.option("mask_token", &O::mask_token, "a learned token in place of masked patches, for maskers that mask");
  s.option("pool", &O::pool, {{"mean", Pool::mean}, {"cls", Pool::cls}},
           "the pooled feature: mean of the patch tokens, or the class token");
  s.option("drop_path", &O::drop_path, "probability of skipping a branch, rising from 0 to this over the blocks")
      .range(0, 0.99);
  s.option("layer_scale", &O::layer_scale, "start of a learned scale on each branch; 0: none").range(0, 10);
  s.option("qkv_bias", &O::qkv_bias, "biases of queries, keys and values");
  s.option("gated", &O::gated, "SwiGLU in the MLPs instead of GELU; hidden width is that of each of its two halves");
  s.option("norm_epsilon", &O::norm_epsilon, "epsilon of the layer norms").range(1e-12, 1);
  s.option("init", &O::init, {{"jepa", nn::Init::jepa}, {"xavier", nn::Init::xavier}},
           "weights at the start: normal of deviation 0.02, or Xavier uniform");
  s.option("depth_rescale", &O::depth_rescale, "divide the last weights of block l by sqrt(2 l), as V-JEPA 2 does");
  return s;
}

VitShape vit_shape(const VitOptions& options) {
  VitShape shape;
  double ratio = 4.0;
  for (const Preset& preset : kPresets)
    if (options.preset == preset.name) shape = preset.shape;
  if (shape.width > 0) ratio = static_cast<double>(shape.hidden) / static_cast<double>(shape.width);
  if (options.width > 0) {
    shape.width = options.width;
    shape.heads = 0;
  }
  if (options.depth > 0) shape.depth = options.depth;
  if (options.heads > 0) shape.heads = options.heads;
  if (options.mlp_ratio > 0) ratio = options.mlp_ratio;
  if (shape.width == 0) throw ConfigError("width", "the width is not given", "set a width, or a preset");
  if (shape.depth == 0) throw ConfigError("depth", "the depth is not given", "set a depth, or a preset");
  if (shape.heads == 0) shape.heads = preset_heads(shape.width);
  if (shape.heads == 0) shape.heads = std::max<std::int64_t>(1, shape.width / 64);
  shape.hidden = static_cast<std::int64_t>(static_cast<double>(shape.width) * ratio);
  return shape;
}

std::int64_t preset_heads(std::int64_t width) {
  for (const Preset& preset : kPresets)
    if (width == preset.shape.width) return preset.shape.heads;
  return 0;
}

Vit::Vit(const VitOptions& options, const EncoderSetting& setting)
    : shape_(vit_shape(options)),
      pool_(options.pool),
      positions_(shape_.width, {options.position_order, options.uniform_power}) {
  if (pool_ == Pool::cls && !options.class_token)
    throw ConfigError("pool", "pool = \"cls\" needs a class token", "set class_token = true, or pool = \"mean\"");
  patch_embed_ = register_module("patch_embed", std::make_shared<nn::PatchEmbed>(setting.tokenizer, shape_.width));
  if (options.class_token) class_token_ = register_parameter("class_token", at::empty({1, 1, shape_.width}));
  if (options.mask_token) mask_token_ = register_parameter("mask_token", at::empty({1, 1, shape_.width}));
  blocks_ = register_module("blocks", std::make_shared<nn::Blocks>(block_options(options, shape_), shape_.depth));
  norm_ = register_module("norm",
                          torch::nn::LayerNorm(torch::nn::LayerNormOptions({shape_.width}).eps(options.norm_epsilon)));
  nn::initialise(*this, options.init);
  if (class_token_.defined()) nn::fill_normal(class_token_);
  if (mask_token_.defined()) nn::fill_normal(mask_token_);
  if (options.depth_rescale) nn::rescale_by_depth(*blocks_);
  if (options.positions == Positions::learned) {
    make_learned(setting);
  } else {
    for (const ViewLayout& view : setting.views) positions_.table(view.grid, at::kCPU);  // wrong widths fail here
  }
}

void Vit::make_learned(const EncoderSetting& setting) {
  if (setting.views.empty())
    throw ConfigError("positions", "learned positions need to know the grid of a view", "set positions = \"sincos\"");
  learned_grid_ = setting.views.front().grid;
  const std::int64_t extra = class_token_.defined() ? 1 : 0;
  learned_ = register_parameter("positions", at::empty({1, learned_grid_.count() + extra, shape_.width}));
  nn::fill_normal(learned_);
}

at::Tensor Vit::learned_positions(const TokenGrid& grid, const TokenSet& tokens) const {
  at::Tensor table = learned_.narrow(1, class_token_.defined() ? 1 : 0, learned_grid_.count());
  if (grid.extent != learned_grid_.extent) {
    const std::vector<std::int64_t>& from = learned_grid_.extent;
    if (from.size() != 2 || grid.extent.size() != 2)
      throw Error("learned positions of " + learned_grid_.text() + " tokens meet a view of " + grid.text(),
                  "encoder transformer.vit", "show it views of that grid, or set positions = \"sincos\"");
    const at::Tensor picture = table.view({1, from[0], from[1], shape_.width}).permute({0, 3, 1, 2});
    table = at::upsample_bicubic2d(picture, grid.extent, /*align_corners=*/false).flatten(2).transpose(1, 2);
  }
  if (tokens.all()) return table;
  return nn::gather_tokens(table.expand({tokens.index.size(0), -1, -1}), tokens);
}

Encoded Vit::encode(const View& view, const Look& look) {
  const TokenGrid grid = patch_embed_->grid(view.data);
  at::Tensor x = patch_embed_->forward(view.data, look.visible);
  if (look.masked.index.defined()) x = hide(x, look, grid.count());
  x = x + (learned_.defined() ? learned_positions(grid, look.visible)
                              : positions_.positions(grid, look.visible, x.device()));
  if (class_token_.defined()) {
    const at::Tensor token = learned_.defined() ? class_token_ + learned_.narrow(1, 0, 1) : class_token_;
    x = at::cat({token.expand({x.size(0), -1, -1}), x}, 1);
  }
  std::vector<at::Tensor> taps;
  x = blocks_->forward(x, look.taps, taps);
  return pool(norm_(x), std::move(taps));
}

at::Tensor Vit::hide(const at::Tensor& tokens, const Look& look, std::int64_t count) const {
  if (!mask_token_.defined())
    throw ConfigError("mask_token", "the masker masks tokens, and this encoder has no mask token",
                      "set mask_token = true");
  at::Tensor hidden = at::zeros({tokens.size(0), count}, look.masked.index.options().dtype(at::kBool));
  hidden.scatter_(1, look.masked.index, true);
  if (!look.visible.all()) hidden = hidden.gather(1, look.visible.index);
  return at::where(hidden.unsqueeze(-1), mask_token_.to(tokens.scalar_type()), tokens);
}

Encoded Vit::pool(const at::Tensor& tokens, std::vector<at::Tensor> taps) const {
  if (!class_token_.defined()) return {tokens, tokens.mean(1), std::move(taps)};
  const auto patches = [](const at::Tensor& x) { return x.narrow(1, 1, x.size(1) - 1); };
  for (at::Tensor& tap : taps) tap = patches(tap);
  const at::Tensor kept = patches(tokens);
  return {kept, pool_ == Pool::cls ? tokens.select(1, 0) : kept.mean(1), std::move(taps)};
}

}  // namespace cairn::transformer

#include "vit.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <utility>

#include "cairn/error.h"
#include "cairn/nn/tokens.h"
#include "checks.h"

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
  block.key_bias = options.key_bias;
  block.activation = options.activation;
  block.gated = options.gated;
  block.layer_scale = options.layer_scale;
  block.drop_path = options.drop_path;
  block.self_mask = options.self_mask;
  block.epsilon = options.norm_epsilon;
  return block;
}

PlaceSetting place_setting(const VitOptions& options, const VitShape& shape) {
  PlaceSetting setting;
  setting.form = options.positions;
  setting.layout = {options.position_order, options.uniform_power};
  setting.rotary = options.rotary_layout;
  setting.rotary_grid = options.rotary_grid;
  setting.numbering = options.rotary_numbering;
  setting.resize = {options.resize_antialias, options.resize_offset};
  setting.width = shape.width;
  setting.head_width = shape.width / shape.heads;
  setting.leading = options.class_token ? 1 : 0;
  return setting;
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
  add_place_options(s);
  s.option("resize_antialias", &O::resize_antialias,
           "resize learned positions with antialiasing, as DINOv2 with registers");
  s.option("resize_offset", &O::resize_offset,
           "added to the grid's extent in the scale by which learned positions are resized: 0.1 in DINO and DINOv2")
      .range(0, 0.9);
  s.option("class_token", &O::class_token, "a learned token before the patches");
  s.option("register_tokens", &O::register_tokens, "learned tokens between class token and patches, without a place")
      .range(0, 1024);
  s.option("mask_token", &O::mask_token, "a learned token in place of masked patches, for maskers that mask");
  s.option("pool", &O::pool, {{"mean", Pool::mean}, {"cls", Pool::cls}},
           "the pooled feature: mean of the patch tokens, or the class token");
  s.option("drop_path", &O::drop_path, "probability of skipping a branch, rising from 0 to this over the blocks")
      .range(0, 0.99);
  s.option(
       "self_mask", &O::self_mask,
       "share of the tokens that in each block of a training step cannot attend to themselves: A-JEPA fine-tunes with "
       "0.1")
      .range(0, 1);
  s.option("layer_scale", &O::layer_scale, "start of a learned scale on each branch; 0: none").range(0, 10);
  s.option("qkv_bias", &O::qkv_bias, "biases of queries, keys and values");
  s.option("key_bias", &O::key_bias, "with qkv_bias; false: queries and values only, as in BEiT and VideoMAE");
  s.option("activation", &O::activation, nn::kActivations, "in the MLPs");
  s.option("gated", &O::gated,
           "SwiGLU in the MLPs instead of the activation; hidden width is that of each of its two halves");
  s.option("last_norm", &O::last_norm, "a layer norm behind the last block");
  s.option(
      "picture_tokenizer", &O::picture_tokenizer,
      "clips of one frame are pictures, with a patch embedding of their own, and clips and pictures are marked by a "
      "learned vector each, as in V-JEPA 2.1");
  s.option(
      "levels", &O::levels,
      "blocks, from 0, whose outputs have a norm of their own and are what taps of them give, the last block among "
      "them: [2, 5, 8, 11] in V-JEPA 2.1 with twelve blocks");
  s.option("fuse", &O::fuse, "features are all levels side by side, as V-JEPA 2.1 is trained; false: the last one");
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
  shape.hidden = hidden_width(shape.width, ratio);
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
      is_fused_(options.fuse),
      is_self_masked_(options.self_mask > 0),
      levels_(options.levels),
      places_(place_setting(options, shape_), setting.views) {
  if (pool_ == Pool::cls && !options.class_token)
    throw ConfigError("pool", "pool = \"cls\" needs a class token", "set class_token = true, or pool = \"mean\"");
  add_tokenizers(options, setting.tokenizer);
  if (options.class_token) class_token_ = register_parameter("class_token", at::empty({1, 1, shape_.width}));
  if (options.register_tokens > 0)
    registers_ = register_parameter("registers", at::empty({1, options.register_tokens, shape_.width}));
  if (options.mask_token) mask_token_ = register_parameter("mask_token", at::empty({1, 1, shape_.width}));
  blocks_ = register_module("blocks", std::make_shared<nn::Blocks>(block_options(options, shape_), shape_.depth));
  add_norms(options);
  nn::initialise(*this, options.init);
  for (const at::Tensor& token : {class_token_, registers_, mask_token_, picture_mark_, clip_mark_})
    if (token.defined()) nn::fill_normal(token);
  if (options.depth_rescale) nn::rescale_by_depth(*blocks_);
  if (!places_.table.defined()) return;
  places_.table = register_parameter("positions", places_.table);
  nn::fill_normal(places_.table);
}

void Vit::add_tokenizers(const VitOptions& options, const TokenizerSpec& tokenizer) {
  patch_embed_ = register_module("patch_embed", std::make_shared<nn::PatchEmbed>(tokenizer, shape_.width));
  if (!options.picture_tokenizer) return;
  if (tokenizer.axes.size() != 3 || tokenizer.axes.front() != Axis::time)
    throw ConfigError("picture_tokenizer", "the views are no clips", "set picture_tokenizer = false");
  pictures_ = tokenizer;
  pictures_->patch.front() = 1;
  picture_embed_ = register_module("picture_embed", std::make_shared<nn::PatchEmbed>(*pictures_, shape_.width));
  picture_mark_ = register_parameter("picture_mark", at::empty({1, 1, shape_.width}));
  clip_mark_ = register_parameter("clip_mark", at::empty({1, 1, shape_.width}));
}

bool Vit::can_take(const TokenizerSpec& tokenizer) const { return pictures_ && *pictures_ == tokenizer; }

void Vit::add_norms(const VitOptions& options) {
  const auto norm = [&] {
    return torch::nn::LayerNorm(torch::nn::LayerNormOptions({shape_.width}).eps(options.norm_epsilon));
  };
  if (options.last_norm) norm_ = register_module("norm", norm());
  if (levels_.empty()) {
    if (is_fused_)
      throw ConfigError("fuse", "there are no levels to fuse", "name blocks in levels, or set fuse = false");
    return;
  }
  const bool is_rising = std::adjacent_find(levels_.begin(), levels_.end(), std::greater_equal<>()) == levels_.end();
  if (!is_rising || levels_.front() < 0 || levels_.back() != shape_.depth - 1 || !options.last_norm)
    throw ConfigError(
        "levels", "levels are rising numbers of blocks from 0, the last of them the last block, with last_norm",
        "with " + std::to_string(shape_.depth) + " blocks the last level is " + std::to_string(shape_.depth - 1));
  if (options.class_token || options.register_tokens > 0)
    throw ConfigError("levels", "an encoder with levels has no class token and no registers",
                      "set class_token = false and register_tokens = 0");
  level_norms_ = register_module("level_norms", torch::nn::ModuleList());
  for (std::size_t i = 0; i + 1 < levels_.size(); ++i) level_norms_->push_back(norm());
}

at::Tensor Vit::embed(const View& view, const TokenSet& visible, TokenGrid& grid) {
  const bool is_picture = picture_embed_ && view.data.dim() == 5 && view.data.size(2) == 1;
  nn::PatchEmbed& tokenizer = is_picture ? *picture_embed_ : *patch_embed_;
  grid = tokenizer.grid(view.data);
  const at::Tensor x = tokenizer.forward(view.data, visible);
  return picture_embed_ ? x + (is_picture ? picture_mark_ : clip_mark_) : x;
}

at::Tensor Vit::normed(const at::Tensor& x, std::int64_t block) {
  const auto level = std::find(levels_.begin(), levels_.end(), block);
  if (level == levels_.end()) return x;
  const auto number = static_cast<std::size_t>(level - levels_.begin());
  return number + 1 == levels_.size() ? norm_(x) : level_norms_->at<torch::nn::LayerNormImpl>(number).forward(x);
}

at::Tensor Vit::special() const {
  if (!class_token_.defined()) return registers_;
  const at::Tensor place = places_.leading();
  const at::Tensor token = place.defined() ? class_token_ + place : class_token_;
  return registers_.defined() ? at::cat({token, registers_}, 1) : token;
}

Encoded Vit::encode(const View& view, const Look& look) {
  TokenGrid grid;
  at::Tensor x = embed(view, look.visible, grid);
  if (look.masked.index.defined()) x = hide(x, look, grid.count());
  if (const at::Tensor place = places_.added(grid, look.visible, x.device()); place.defined()) x = x + place;
  const std::int64_t rows = x.size(0), seen = x.size(1);
  const at::Tensor first = special();
  if (first.defined()) x = at::cat({first.expand({rows, -1, -1}), x}, 1);
  const std::int64_t fixed = first.defined() ? first.size(1) : 0;
  const nn::Packing packing({{fixed}, {seen, look.visible.lengths}}, rows, x.device());
  std::vector<std::int64_t> wanted = look.taps;
  if (is_fused_) wanted.insert(wanted.end(), levels_.begin(), levels_.end());
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  std::vector<at::Tensor> outputs;
  const nn::Arrangement how{0, places_.rotation(grid, look.visible, fixed, x.device()), packing};
  x = blocks_->forward(packing.pack(x), wanted, outputs, how);
  const auto output = [&](std::int64_t block) {
    const auto at = std::lower_bound(wanted.begin(), wanted.end(), block) - wanted.begin();
    return packing.unpack(normed(outputs[static_cast<std::size_t>(at)], block));
  };
  std::vector<at::Tensor> taps;
  for (const std::int64_t block : look.taps) taps.push_back(output(block));
  if (!is_fused_) return pool(packing.unpack(norm_ ? norm_(x) : x), fixed, look.visible, std::move(taps));
  std::vector<at::Tensor> levels;
  for (const std::int64_t level : levels_) levels.push_back(output(level));
  return pool(at::cat(levels, -1), fixed, look.visible, std::move(taps));
}

void Vit::check(const Context& seen) const {
  if (seen.masked.all() || mask_token_.defined()) return;
  throw ConfigError("mask_token", "the masker masks tokens, and this encoder has no mask token",
                    "set mask_token = true");
}

at::Tensor Vit::hide(const at::Tensor& tokens, const Look& look, std::int64_t count) const {
  check({0, look.visible, look.masked});
  at::Tensor hidden = at::zeros({tokens.size(0), count}, look.masked.index.options().dtype(at::kBool));
  hidden.scatter_(1, look.masked.index, true);
  if (!look.visible.all()) hidden = hidden.gather(1, look.visible.index);
  return at::where(hidden.unsqueeze(-1), mask_token_.to(tokens.scalar_type()), tokens);
}

Encoded Vit::pool(const at::Tensor& tokens, std::int64_t special, const TokenSet& visible,
                  std::vector<at::Tensor> taps) const {
  if (special == 0) return {tokens, nn::mean_tokens(tokens, visible), std::move(taps), {}};
  const auto patches = [&](const at::Tensor& x) { return x.narrow(1, special, x.size(1) - special); };
  for (at::Tensor& tap : taps) tap = patches(tap);
  const at::Tensor kept = patches(tokens);
  return {kept, pool_ == Pool::cls ? tokens.select(1, 0) : nn::mean_tokens(kept, visible), std::move(taps),
          tokens.narrow(1, 0, special)};
}

}  // namespace cairn::transformer

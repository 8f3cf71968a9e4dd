#include "windowed.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <string>

#include "cairn/error.h"
#include "cairn/nn/block.h"
#include "cairn/nn/initialise.h"
#include "cairn/nn/positions.h"
#include "cairn/nn/tokens.h"
#include "checks.h"

namespace cairn::transformer {
namespace {

using Pair = std::array<std::int64_t, 2>;

constexpr double kLowestTemperature = 0.01;
constexpr double kShortest = 1e-6;  // product of the lengths of a query and a key
constexpr double kApart = -100.0;   // added where a window holds places that are no neighbours

/// [B,H,W,...] as windows [B*n,h*w,...].
at::Tensor cut_windows(const at::Tensor& x, const Pair& window) {
  return x.unflatten(2, {-1, window[1]}).unflatten(1, {-1, window[0]}).transpose(2, 3).flatten(3, 4).flatten(0, 2);
}

/// The way back: windows [B*n,h*w,D] of a grid as [B,H,W,D].
at::Tensor join_windows(const at::Tensor& x, const Pair& grid, const Pair& window) {
  return x.unflatten(1, {window[0], window[1]})
      .unflatten(0, {-1, grid[0] / window[0], grid[1] / window[1]})
      .transpose(2, 3)
      .flatten(3, 4)
      .flatten(1, 2);
}

/// Differences of all pairs of places in a window [h*w*h*w,2], sign times log(1 + distance).
at::Tensor log_distances(const Pair& window) {
  const auto places =
      at::stack(at::meshgrid({at::arange(window[0], at::kFloat), at::arange(window[1], at::kFloat)}, "ij")).flatten(1);
  const at::Tensor apart = (places.unsqueeze(2) - places.unsqueeze(1)).permute({1, 2, 0}).reshape({-1, 2});
  return apart.sign() * apart.abs().log1p();
}

/// What is added to the attention within shifted windows [n,h*w,h*w]: those at the ends hold places of both ends.
at::Tensor shift_mask(const Pair& grid, const Pair& window, const Pair& shift) {
  const auto part = [&](std::size_t axis) {
    at::Tensor number = at::zeros({grid[axis]});
    if (shift[axis] == 0) return number;
    number.slice(0, grid[axis] - window[axis]).fill_(1.0);
    number.slice(0, grid[axis] - shift[axis]).fill_(2.0);
    return number;
  };
  constexpr double kParts = 3.0;
  const at::Tensor region = (part(0) * kParts).unsqueeze(1) + part(1).unsqueeze(0);
  const at::Tensor rows = cut_windows(region.unsqueeze(0).unsqueeze(-1), window).squeeze(-1);  // [n,h*w]
  return (rows.unsqueeze(1) != rows.unsqueeze(2)).to(at::kFloat) * kApart;
}

/// Attention by cosine within windows, with a bias for each distance and head.
class WindowAttention : public torch::nn::Module {
 public:
  WindowAttention(std::int64_t width, std::int64_t heads, std::int64_t hidden, const Pair& window)
      : heads_(heads), distances_(log_distances(window)) {
    qkv_ = register_module("qkv", torch::nn::Linear(width, 3 * width));
    projection_ = register_module("projection", torch::nn::Linear(width, width));
    distance1_ = register_module("distance1", torch::nn::Linear(2, hidden));
    distance2_ = register_module("distance2", torch::nn::Linear(hidden, heads));
    temperature_ = register_parameter("temperature", at::ones({heads}));
  }

  /// Windows [M,L,D] to [M,L,D]; `mask` [n,L,L] for each of the n windows of a sample, where there is one.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask) {
    const at::Tensor parts = qkv_(x).unflatten(2, {3, heads_, -1}).permute({2, 0, 3, 1, 4});  // [3,M,H,L,F]
    const at::Tensor query = parts[0], key = parts[1];
    const at::Tensor lengths = query.norm(2, {-1}, true).matmul(key.norm(2, {-1}, true).transpose(-2, -1));
    at::Tensor alike = query.matmul(key.transpose(-2, -1)) / lengths.clamp_min(kShortest);
    alike = alike / temperature_.clamp_min(kLowestTemperature).view({1, -1, 1, 1}) + bias(x.size(1), x.device());
    if (mask.defined()) alike = (alike.unflatten(0, {-1, mask.size(0)}) + mask.unsqueeze(1).unsqueeze(0)).flatten(0, 1);
    return projection_(alike.softmax(-1).matmul(parts[2]).transpose(1, 2).flatten(2));
  }

 private:
  /// [1,H,L,L].
  at::Tensor bias(std::int64_t places, at::Device device) {
    if (distances_.device() != device) distances_ = distances_.to(device);
    const at::Tensor values = distance2_(at::relu(distance1_(distances_)));
    return values.t().reshape({1, heads_, places, places});
  }

  std::int64_t heads_;
  at::Tensor distances_;
  torch::nn::Linear qkv_{nullptr}, projection_{nullptr}, distance1_{nullptr}, distance2_{nullptr};
  at::Tensor temperature_;  // [H]
};

/// x += norm1(attention(x)), x += norm2(mlp(x)).
class WindowBlock : public torch::nn::Module {
 public:
  WindowBlock(const WindowedOptions& options, const Pair& grid, const Pair& window, const Pair& shift)
      : grid_(grid), window_(window), shift_(shift) {
    if (is_shifted()) mask_ = shift_mask(grid, window, shift);
    const auto norm = [&] {
      return torch::nn::LayerNorm(torch::nn::LayerNormOptions({options.width}).eps(options.norm_epsilon));
    };
    attention_ = register_module(
        "attention", std::make_shared<WindowAttention>(options.width, options.heads, options.distance_width, window));
    norm1_ = register_module("norm1", norm());
    const std::int64_t hidden = hidden_width(options.width, options.mlp_ratio);
    mlp_ = register_module("mlp", std::make_shared<nn::Mlp>(options.width, hidden));
    norm2_ = register_module("norm2", norm());
  }

  /// [B,N,W] to [B,N,W].
  at::Tensor forward(const at::Tensor& tokens) {
    const at::Tensor x = tokens + norm1_(attend(tokens));
    return x + norm2_(mlp_->forward(x));
  }

 private:
  bool is_shifted() const { return shift_[0] > 0 || shift_[1] > 0; }

  at::Tensor attend(const at::Tensor& tokens) {
    at::Tensor x = tokens.unflatten(1, {grid_[0], grid_[1]});
    if (is_shifted()) x = x.roll({-shift_[0], -shift_[1]}, {1, 2});
    if (mask_.defined() && mask_.device() != x.device()) mask_ = mask_.to(x.device());
    x = join_windows(attention_->forward(cut_windows(x, window_), mask_), grid_, window_);
    if (is_shifted()) x = x.roll({shift_[0], shift_[1]}, {1, 2});
    return x.flatten(1, 2);
  }

  Pair grid_, window_, shift_;
  at::Tensor mask_;
  std::shared_ptr<WindowAttention> attention_;
  std::shared_ptr<nn::Mlp> mlp_;
  torch::nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
};

Pair pair_of(const std::vector<std::int64_t>& values, const char* key) {
  if (values.size() != 2 || values[0] < 0 || values[1] < 0)
    throw ConfigError(key, std::string(key) + " is two numbers, one for each axis of the grid", "");
  return {values[0], values[1]};
}

/// The one grid of all views. ConfigError where there are several.
TokenGrid grid_of(const PredictorSetting& setting) {
  if (setting.views.empty()) throw ConfigError("type", "transformer.windowed needs to know the grid of a view", "");
  const TokenGrid& grid = setting.views.front().grid;
  if (grid.extent.size() != 2)
    throw ConfigError("type", "transformer.windowed covers grids of two axes, and the views have " + grid.text(),
                      "use transformer.narrow");
  for (const ViewLayout& view : setting.views)
    if (!(view.grid == grid))
      throw ConfigError(
          "type",
          "transformer.windowed covers one grid, and the views have " + grid.text() + " and " + view.grid.text(),
          "use transformer.narrow");
  return grid;
}

}  // namespace

Schema<WindowedOptions> WindowedOptions::schema() {
  using O = WindowedOptions;
  Schema<O> s("Swin blocks over every place of a grid, attention within windows: the decoder of AudioMAE");
  s.option("width", &O::width, "features of a token inside the predictor").range(1, 16384);
  s.option("depth", &O::depth, "number of blocks").range(1, 256);
  s.option("heads", &O::heads, "attention heads").range(1, 256);
  s.option("mlp_ratio", &O::mlp_ratio, "hidden width of the MLPs over width").range(0.01, 64);
  s.option("window", &O::window, "places of a window along both axes; an axis that is shorter is one window")
      .range(1, 4096);
  s.option("shift", &O::shift, "places by which the windows of every second block are shifted").range(0, 4096);
  s.option("distance_width", &O::distance_width, "width of the network that turns distances into biases")
      .range(1, 16384);
  s.option("norm_epsilon", &O::norm_epsilon, "epsilon of the layer norms").range(1e-12, 1);
  return s;
}

Windowed::Windowed(const WindowedOptions& options, const PredictorSetting& setting) : grid_(grid_of(setting)) {
  if (options.width % options.heads != 0)
    throw ConfigError(
        "heads", std::to_string(options.heads) + " heads do not divide a width of " + std::to_string(options.width),
        "choose a number of heads that divides the width");
  const Pair grid = pair_of(grid_.extent, "window"), asked = pair_of(options.window, "window");
  Pair window = asked, shift = pair_of(options.shift, "shift");
  for (std::size_t axis = 0; axis < 2; ++axis) {
    if (grid[axis] <= window[axis]) {
      window[axis] = grid[axis];
      shift[axis] = 0;
    }
    if (grid[axis] % window[axis] != 0 || shift[axis] >= window[axis])
      throw ConfigError("window",
                        "windows of " + std::to_string(asked[0]) + " x " + std::to_string(asked[1]) +
                            " do not cover the grid " + grid_.text() + ", or are shifted by more than their extent",
                        "choose windows that divide the grid, and a shift below them");
  }
  embed_ = register_module("embed", torch::nn::Linear(setting.input_width, options.width));
  mask_tokens_ = register_parameter("mask_tokens", at::empty({1, 1, options.width}));
  blocks_ = register_module("blocks", torch::nn::ModuleList());
  for (std::int64_t i = 0; i < options.depth; ++i)
    blocks_->push_back(std::make_shared<WindowBlock>(options, grid, window, i % 2 == 0 ? Pair{0, 0} : shift));
  norm_ = register_module("norm",
                          torch::nn::LayerNorm(torch::nn::LayerNormOptions({options.width}).eps(options.norm_epsilon)));
  project_ = register_module("project", torch::nn::Linear(options.width, setting.output_width));
  nn::initialise(*this, nn::Init::xavier);
  nn::fill_normal(mask_tokens_);
  positions_ = register_parameter("positions", nn::sincos_grid(grid_.extent, options.width, {}).unsqueeze(0));
}

void Windowed::check(const Context&, const Query& asked) const { require_tokens(asked.level); }

at::Tensor Windowed::predict(const Question& question) {
  require_tokens(question.level);
  if (!(question.seen_grid == grid_) || !(question.asked_grid == grid_))
    throw Error("the predictor covers the grid " + grid_.text() + ", and is asked about " + question.asked_grid.text() +
                    " from " + question.seen_grid.text(),
                "predictor transformer.windowed", "use transformer.narrow");
  at::Tensor x = embed_(question.seen.tokens);
  if (!question.seen_at.all()) {
    const at::Tensor hidden = mask_tokens_[0].to(x.scalar_type()).expand({x.size(0), grid_.count(), -1});
    x = hidden.scatter(1, question.seen_at.index.unsqueeze(-1).expand({-1, -1, x.size(2)}), x);
  }
  x = x + positions_;
  for (const auto& block : *blocks_) x = block->as<WindowBlock>()->forward(x);
  return project_(norm_(nn::gather_tokens(x, question.asked_at)));
}

}  // namespace cairn::transformer

#include "conformance/stand_ins.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <string>
#include <vector>

#include "cairn/error.h"
#include "cairn/nn/block.h"
#include "cairn/nn/initialise.h"
#include "cairn/nn/positions.h"
#include "cairn/nn/tokens.h"

namespace cairn::conformance {
namespace {

constexpr std::int64_t kStoredSamples = 64, kClasses = 4, kWidth = 32;

class PatternSource : public SampleSource {
 public:
  explicit PatternSource(const Situation& situation) {
    for (std::size_t view = 0; view < situation.views.size(); ++view)
      patterns_.push_back(situation.view(view, kClasses, 0).data);
  }
  std::int64_t size() const override { return kStoredSamples; }
  Sample load(std::int64_t index, Rng& rng) const override {
    Sample sample;
    sample.id = index;
    sample.label = index % kClasses;
    for (const at::Tensor& pattern : patterns_) {
      at::Tensor view = pattern[sample.label].clone();
      auto* values = view.mutable_data_ptr<float>();
      for (std::int64_t i = 0; i < view.numel(); ++i) values[i] += static_cast<float>(rng.uniform(-0.5, 0.5));
      sample.views.push_back(std::move(view));
    }
    return sample;
  }
  std::string name(std::int64_t index) const override { return "pattern #" + std::to_string(index); }
  std::vector<std::string> classes() const override { return {"a", "b", "c", "d"}; }

 private:
  std::vector<at::Tensor> patterns_;  // [classes,C,...] of each view
};

class PatternModality : public Modality {
 public:
  explicit PatternModality(const Situation& situation) : situation_(situation) {}
  std::unique_ptr<SampleSource> open(Split, Purpose) const override {
    return std::make_unique<PatternSource>(situation_);
  }
  TokenizerSpec tokenizer() const override { return situation_.tokenizer; }
  std::vector<ViewLayout> views(Purpose) const override { return situation_.views; }

 private:
  Situation situation_;
};

class TokenMasker : public Masker {
 public:
  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress&, Rng& rng) const override {
    Plan plan;
    for (int view = 0; view < static_cast<int>(views.size()); ++view) {
      const std::int64_t count = views[static_cast<std::size_t>(view)].grid.count(), half = count / 2;
      if (half == 0) throw ConfigError("", "a grid of one token cannot be divided", "use smaller patches");
      std::vector<at::Tensor> rows;
      for (std::int64_t row = 0; row < batch; ++row) rows.push_back(at::tensor(rng.permutation(count), at::kLong));
      const at::Tensor order = at::stack(rows);
      plan.queries.push_back({static_cast<int>(plan.contexts.size()), view, {order.narrow(1, half, count - half)}});
      plan.contexts.push_back({view, {order.narrow(1, 0, half).contiguous()}, {}});
    }
    return plan;
  }
};

class ViewMasker : public Masker {
 public:
  Plan plan(std::span<const ViewLayout> views, std::int64_t, const Progress&, Rng&) const override {
    Plan plan;
    const int count = static_cast<int>(views.size());
    for (int from = 0; from < count; ++from) {
      plan.contexts.push_back({from, {}, {}});
      for (int to = 0; to < count; ++to)
        if (to != from) plan.queries.push_back({from, to, {}, Level::pooled, 0});
    }
    return plan;
  }
};

class SmallEncoder : public Encoder {
 public:
  explicit SmallEncoder(const EncoderSetting& setting) : positions_(kWidth, {}) {
    nn::BlockOptions block;
    block.width = kWidth;
    block.heads = 2;
    block.hidden = 2 * kWidth;
    embed_ = register_module("embed", std::make_shared<nn::PatchEmbed>(setting.tokenizer, kWidth));
    blocks_ = register_module("blocks", std::make_shared<nn::Blocks>(block, 2));
    norm_ = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({kWidth})));
    mask_token_ = register_parameter("mask_token", at::zeros({1, 1, kWidth}));
    nn::initialise(*this, nn::Init::xavier);
  }
  Encoded encode(const View& view, const Look& look) override {
    at::Tensor x = embed_->forward(view.data, look.visible);
    if (!look.masked.all()) {
      const at::Tensor at = look.masked.index.unsqueeze(-1).expand({-1, -1, kWidth});
      x = x.scatter(1, at, mask_token_.to(x.scalar_type()).expand({at.size(0), at.size(1), kWidth}));
    }
    x = x + positions_.positions(view.grid, look.visible, x.device());
    const nn::Packing packing({{x.size(1), look.visible.lengths}}, x.size(0), x.device());
    Encoded encoded;
    x = blocks_->forward(packing.pack(x), look.taps, encoded.taps, nn::Arrangement{0, {}, packing});
    encoded.tokens = packing.unpack(norm_(x));
    encoded.pooled = nn::mean_tokens(encoded.tokens, look.visible);
    for (at::Tensor& tap : encoded.taps) tap = packing.unpack(tap);
    return encoded;
  }
  std::int64_t width() const override { return kWidth; }
  std::int64_t depth() const override { return 2; }
  bool can_pack() const override { return true; }

 private:
  std::shared_ptr<nn::PatchEmbed> embed_;
  std::shared_ptr<nn::Blocks> blocks_;
  torch::nn::LayerNorm norm_{nullptr};
  at::Tensor mask_token_;
  nn::PositionTables positions_;
};

class SmallPredictor : public Predictor {
 public:
  explicit SmallPredictor(const PredictorSetting& setting) : positions_(kWidth, {}) {
    embed_ = register_module("embed", torch::nn::Linear(setting.input_width, kWidth));
    mlp_ = register_module("mlp", std::make_shared<nn::Mlp>(kWidth, 2 * kWidth));
    project_ = register_module("project", torch::nn::Linear(kWidth, setting.output_width));
    nn::initialise(*this, nn::Init::xavier);
  }
  at::Tensor predict(const Question& question) override {
    const bool tokens = question.level == Level::tokens;
    at::Tensor x =
        embed_(tokens ? nn::mean_tokens(question.seen.tokens, question.seen_at).unsqueeze(1) : question.seen.pooled);
    if (tokens) x = x + positions_.positions(question.asked_grid, question.asked_at, x.device());
    return project_(x + mlp_->forward(x));
  }
  bool can_pack() const override { return true; }

 private:
  torch::nn::Linear embed_{nullptr}, project_{nullptr};
  std::shared_ptr<nn::Mlp> mlp_;
  nn::PositionTables positions_;
};

class SmallObjective : public Objective {
 public:
  explicit SmallObjective(Level level) : level_(level) {}
  TargetSpec target() const override {
    TargetSpec spec;
    spec.level = level_;
    return spec;
  }
  at::Tensor refine(const at::Tensor& target) override { return at::layer_norm(target, {target.size(-1)}); }
  LossReport evaluate(const StepView& step) override {
    if (step.pairs.empty()) throw Error("no query of this level was answered", "the kit's objective");
    std::vector<at::Tensor> costs;
    for (const Pair& pair : step.pairs)
      costs.push_back(at::smooth_l1_loss(pair.prediction.to(at::kFloat), pair.target.to(at::kFloat)));
    return {at::stack(costs).mean(), {}};
  }

 private:
  Level level_;
};

}  // namespace

std::shared_ptr<Modality> stand_in_modality(const Situation& situation) {
  return std::make_shared<PatternModality>(situation);
}
std::shared_ptr<Masker> token_masker() { return std::make_shared<TokenMasker>(); }
std::shared_ptr<Masker> view_masker() { return std::make_shared<ViewMasker>(); }
std::shared_ptr<Encoder> stand_in_encoder(const EncoderSetting& setting) {
  return std::make_shared<SmallEncoder>(setting);
}
std::shared_ptr<Predictor> stand_in_predictor(const PredictorSetting& setting) {
  return std::make_shared<SmallPredictor>(setting);
}
std::shared_ptr<Objective> stand_in_objective(Level level) { return std::make_shared<SmallObjective>(level); }

}  // namespace cairn::conformance

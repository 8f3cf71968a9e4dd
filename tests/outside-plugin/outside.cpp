#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include <stdexcept>

#include "cairn/cairn.h"
#include "cairn/nn/initialise.h"
#include "cairn/nn/tokens.h"

namespace cairn::outside {
namespace {

struct DataOptions {
  std::int64_t samples = 64, bad_every = 0;
  double max_bad_share = 0.05;  // the core reads it
  static Schema<DataOptions> schema() {
    Schema<DataOptions> s("Noise, some of it unreadable");
    s.option("samples", &DataOptions::samples, "number of samples").at_least(1);
    s.option("bad_every", &DataOptions::bad_every, "every so many samples cannot be read; 0: none").at_least(0);
    s.option("max_bad_share", &DataOptions::max_bad_share, "share of them that stops a run").range(0, 1);
    return s;
  }
};

class Noise : public SampleSource {
 public:
  explicit Noise(const DataOptions& options) : options_(options) {}
  std::int64_t size() const override { return options_.samples; }
  std::string name(std::int64_t index) const override { return "noise #" + std::to_string(index); }
  std::vector<std::string> classes() const override { return {"even", "odd"}; }
  Sample load(std::int64_t index, Rng& rng) const override {
    if (options_.bad_every > 0 && index % options_.bad_every == 0) throw DataError("is worn out", name(index));
    Sample sample{{at::empty({2, 32})}, index, index % 2, {}};
    for (std::int64_t i = 0; i < 64; ++i)
      sample.views[0].mutable_data_ptr<float>()[i] = static_cast<float>(rng.normal());
    return sample;
  }

 private:
  DataOptions options_;
};

class Data : public Modality {
 public:
  explicit Data(const DataOptions& options) : options_(options) {}
  std::unique_ptr<SampleSource> open(Split, Purpose) const override { return std::make_unique<Noise>(options_); }
  TokenizerSpec tokenizer() const override { return {2, {4}, {Axis::time}}; }
  std::vector<ViewLayout> views(Purpose) const override { return {{tokenizer().grid({32}), ViewRole::global}}; }

 private:
  DataOptions options_;
};

struct NoOptions {
  static Schema<NoOptions> schema() { return Schema<NoOptions>("Nothing to choose"); }
};

/// Two linear layers over each token and its number.
class Net : public Encoder {
 public:
  Net(NoOptions, const EncoderSetting& setting) {
    embed_ = register_module("embed", std::make_shared<nn::PatchEmbed>(setting.tokenizer, kWidth));
    mix_ = register_module("mix", torch::nn::Linear(kWidth, kWidth));
    nn::initialise(*this, nn::Init::xavier);
  }
  Encoded encode(const View& view, const Look& look) override {
    const at::Tensor place = look.visible.all() ? at::arange(view.grid.count()).unsqueeze(0) : look.visible.index;
    Encoded encoded;
    encoded.tokens = mix_(at::gelu(embed_->forward(view.data, look.visible) + place.unsqueeze(-1).sin()));
    encoded.pooled = encoded.tokens.mean(1);
    for (std::size_t tap = 0; tap < look.taps.size(); ++tap) encoded.taps.push_back(encoded.tokens);
    return encoded;
  }
  std::int64_t width() const override { return kWidth; }
  std::int64_t depth() const override { return 1; }

 private:
  static constexpr std::int64_t kWidth = 16;
  std::shared_ptr<nn::PatchEmbed> embed_;
  torch::nn::Linear mix_{nullptr};
};

class Guess : public Predictor {
 public:
  Guess(NoOptions, const PredictorSetting& setting) {
    out_ = register_module("out", torch::nn::Linear(setting.input_width, setting.output_width));
  }
  at::Tensor predict(const Question& question) override {
    if (question.level == Level::pooled) throw Error("it answers about tokens", "the outside predictor");
    const at::Tensor place = question.asked_at.index.unsqueeze(-1).to(at::kFloat).cos();
    return out_(question.seen.tokens.mean(1, /*keepdim=*/true) + place);
  }

 private:
  torch::nn::Linear out_{nullptr};
};

/// Half of the tokens seen, the others asked.
class Halves : public Masker {
 public:
  explicit Halves(NoOptions) {}
  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress&, Rng& rng) const override {
    std::vector<at::Tensor> rows;
    for (std::int64_t row = 0; row < batch; ++row)
      rows.push_back(at::tensor(rng.permutation(views[0].grid.count()), at::kLong));
    const std::vector<at::Tensor> halves = at::stack(rows).chunk(2, 1);
    return {{{0, {halves[0].contiguous()}, {}}}, {{0, 0, {halves[1].contiguous()}}}};
  }
};

enum class Fault : std::uint8_t { none, configuration, standard, torch, number };

struct LossOptions {
  Fault fault = Fault::none;
  std::int64_t at_step = 2;
  static Schema<LossOptions> schema() {
    Schema<LossOptions> s("Squared distance, until it throws");
    s.option("fault", &LossOptions::fault,
             {{"none", Fault::none},
              {"configuration", Fault::configuration},
              {"standard", Fault::standard},
              {"torch", Fault::torch},
              {"number", Fault::number}},
             "what is thrown");
    s.option("at_step", &LossOptions::at_step, "when").at_least(0);
    return s;
  }
};

class Loss : public Objective {
 public:
  Loss(const LossOptions& options, const ObjectiveSetting&) : options_(options) {}
  TargetSpec target() const override { return {}; }
  LossReport evaluate(const StepView& step) override {
    if (options_.fault != Fault::none && step.progress.step >= options_.at_step) fail();
    const Pair& pair = step.pairs.front();
    return {at::mse_loss(pair.prediction.to(at::kFloat), pair.target.to(at::kFloat)), {}};
  }

 private:
  [[noreturn]] void fail() const {
    if (options_.fault == Fault::configuration) throw ConfigError("fault", "it was asked for", "ask for none");
    if (options_.fault == Fault::torch) TORCH_CHECK(false, "a tensor of the wrong shape");
    if (options_.fault == Fault::number) throw 7;
    throw std::runtime_error("out of luck");
  }
  LossOptions options_;
};

void enroll(Registry& registry) {
  registry.modality<Data, DataOptions>("data");
  registry.encoder<Net, NoOptions>("net");
  registry.predictor<Guess, NoOptions>("guess");
  registry.masker<Halves, NoOptions>("halves");
  registry.objective<Loss, LossOptions>("loss");
}

}  // namespace
}  // namespace cairn::outside

CAIRN_PLUGIN(outside, "0.1.0", "One small component of each kind", cairn::outside::enroll)

#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <limits>

#include "cairn/cairn.h"
#include "cairn/nn/initialise.h"
#include "cairn/nn/positions.h"
#include "cairn/nn/tokens.h"

namespace cairn::faulty {
namespace {

constexpr std::int64_t kWidth = 16;

struct NoOptions {
  static Schema<NoOptions> schema() { return Schema<NoOptions>("Nothing to choose"); }
};

/// What is wrong with a component; each is enrolled under the fault's name.
enum class Fault {
  none,
  restless,     // depends on what was loaded before
  misshapen,    // other shapes than declared
  infinite,     // values that are not finite
  mislabelled,  // labels beyond the classes
  untested,     // the same, in the test part alone
  viewless      // no views declared
};

template <Fault fault>
class Source : public SampleSource {
 public:
  explicit Source(Split split) : split_(split) {}
  std::int64_t size() const override { return 64; }
  std::string name(std::int64_t index) const override { return "#" + std::to_string(index); }
  std::vector<std::string> classes() const override { return {"a", "b"}; }
  Sample load(std::int64_t index, Rng& rng) const override {
    Sample sample{{at::empty({2, fault == Fault::misshapen ? 48 : 64})}, index, index % 2, {}};
    auto* values = sample.views[0].mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < sample.views[0].numel(); ++i) values[i] = static_cast<float>(rng.normal());
    if constexpr (fault == Fault::restless) values[0] = static_cast<float>(loaded_++);
    if constexpr (fault == Fault::infinite) values[0] = std::numeric_limits<float>::quiet_NaN();
    if (fault == Fault::mislabelled || (fault == Fault::untested && split_ == Split::test)) sample.label = 2;
    return sample;
  }

 private:
  Split split_;
  mutable std::atomic<int> loaded_ = 0;
};

template <Fault fault>
class Data : public Modality {
 public:
  explicit Data(NoOptions) {}
  std::unique_ptr<SampleSource> open(Split split, Purpose) const override {
    return std::make_unique<Source<fault>>(split);
  }
  TokenizerSpec tokenizer() const override { return {2, {4}, {Axis::time}}; }
  std::vector<ViewLayout> views(Purpose) const override {
    if (fault == Fault::viewless) return {};
    return {{tokenizer().grid({64}), ViewRole::global}};
  }
};

struct FileOptions {
  std::string path;
  static Schema<FileOptions> schema() {
    Schema<FileOptions> s("A file of floats that nobody checks");
    s.option("path", &FileOptions::path, "folder of .raw files").path().required();
    return s;
  }
};

/// Takes whatever is there, and zeros where nothing is.
class Gullible : public Modality {
 public:
  explicit Gullible(FileOptions options) : path_(std::move(options.path)) {}
  std::unique_ptr<SampleSource> open(Split split, Purpose) const override {
    FileSet files(path_);
    if (split == Split::test) return nullptr;
    for (const char* name : {"a.raw", "b.raw"}) files.add(name, -1);
    return std::make_unique<Files>(std::move(files));
  }
  TokenizerSpec tokenizer() const override { return {1, {4}, {Axis::time}}; }
  std::vector<ViewLayout> views(Purpose) const override { return {{tokenizer().grid({16}), ViewRole::global}}; }

 private:
  class Files : public SampleSource {
   public:
    explicit Files(FileSet files) : files_(std::move(files)) {}
    std::int64_t size() const override { return files_.size(); }
    std::string name(std::int64_t index) const override { return files_.path(index).string(); }
    std::vector<std::string> classes() const override { return {}; }
    Sample load(std::int64_t index, Rng&) const override {
      Sample sample{{at::zeros({1, 16})}, index, -1, {}};
      std::ifstream(files_.path(index), std::ios::binary).read(static_cast<char*>(sample.views[0].data_ptr()), 64);
      return sample;
    }

   private:
    FileSet files_;
  };
  std::string path_;
};

enum class Plans {
  sound,
  repeating,  // a token twice
  outside,    // a token that is not there
  both,       // seen and asked about
  forgetful,  // torch's generator
  timid       // never the last token
};

template <Plans fault>
class Halves : public Masker {
 public:
  explicit Halves(NoOptions) {}
  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress&, Rng& rng) const override {
    if (views.size() > 1 || views[0].grid.extent.size() > 1) throw ConfigError("", "one view over one axis");
    const std::int64_t count = views[0].grid.count() - (fault == Plans::timid ? 1 : 0), half = count / 2;
    std::vector<at::Tensor> rows;
    for (std::int64_t row = 0; row < batch; ++row)
      rows.push_back(fault == Plans::forgetful ? at::randperm(count, at::kLong)
                                               : at::tensor(rng.permutation(count), at::kLong));
    const at::Tensor order = at::stack(rows);
    at::Tensor seen = order.narrow(1, 0, half).contiguous(), asked = order.narrow(1, half, half).contiguous();
    if (fault == Plans::repeating) seen.select(1, 1).copy_(seen.select(1, 0));
    if (fault == Plans::outside) asked.select(1, 0).fill_(views[0].grid.count());
    if (fault == Plans::both) asked.select(1, 0).copy_(seen.select(1, 0));
    return {{{0, {seen}, {}}}, {{0, 0, {asked}}}};
  }
};

enum class Nets {
  sound,
  renumbering,  // positions by the place in the list
  peeking,      // looks at what is hidden
  idle,         // a parameter without use
  secretive,    // state that nobody saves
  sociable,     // rows see each other
  numb,         // zeros from the start
  padding,      // rows of unequal length see what fills the shorter ones
  boastful      // another width than declared
};

template <Nets fault>
class Net : public Encoder {
 public:
  Net(NoOptions, const EncoderSetting& setting) : positions_(kWidth, {}) {
    embed_ = register_module("embed", std::make_shared<nn::PatchEmbed>(setting.tokenizer, kWidth));
    mix_ = register_module("mix", torch::nn::Linear(kWidth, kWidth));
    if (fault == Nets::idle) register_parameter("idle", at::ones({3}));
    if (fault == Nets::secretive) secret_ = at::randn({kWidth});
    if (fault != Nets::numb) nn::initialise(*this, nn::Init::xavier);
  }
  Encoded encode(const View& view, const Look& look) override {
    at::Tensor x = embed_->forward(view.data, look.visible);
    const TokenSet first{at::arange(x.size(1)).unsqueeze(0).expand({x.size(0), -1})};
    x = x + positions_.positions(view.grid, fault == Nets::renumbering ? first : look.visible, x.device());
    if (fault == Nets::peeking) x = x + view.data.flatten(1).mean(1).view({-1, 1, 1});
    if (fault == Nets::sociable) x = x - x.mean(0, /*keepdim=*/true);
    if (fault == Nets::secretive) x = x + secret_;
    Encoded encoded;
    encoded.tokens = x + mix_(at::gelu(x));
    if (fault == Nets::numb) encoded.tokens = encoded.tokens * embed_->weight.abs().sum();
    encoded.pooled = encoded.tokens.mean(1);
    for (std::size_t tap = 0; tap < look.taps.size(); ++tap) encoded.taps.push_back(encoded.tokens);
    return encoded;
  }
  bool can_pack() const override { return fault == Nets::padding; }
  std::int64_t width() const override { return fault == Nets::boastful ? 2 * kWidth : kWidth; }
  std::int64_t depth() const override { return 1; }

 private:
  std::shared_ptr<nn::PatchEmbed> embed_;
  torch::nn::Linear mix_{nullptr};
  nn::PositionTables positions_;
  at::Tensor secret_;
};

enum class Guesses {
  sound,
  misplaced,  // answers by the number in the list
  padding,    // rows of unequal length see what fills the shorter ones
  sociable    // rows see each other
};

template <Guesses fault>
class Guess : public Predictor {
 public:
  Guess(NoOptions, const PredictorSetting& setting) : positions_(kWidth, {}) {
    in_ = register_module("in", torch::nn::Linear(setting.input_width, kWidth));
    out_ = register_module("out", torch::nn::Linear(kWidth, setting.output_width));
    nn::initialise(*this, nn::Init::xavier);
  }
  at::Tensor predict(const Question& question) override {
    if (question.level == Level::pooled) throw Error("it answers about tokens only", "faulty");
    at::Tensor x = in_(question.seen.tokens.mean(1, /*keepdim=*/true));
    const at::Tensor numbers = at::arange(question.asked_at.index.size(1)).unsqueeze(0);
    const TokenSet listed{numbers.expand({x.size(0), -1})};
    x = x +
        positions_.positions(question.asked_grid, fault == Guesses::misplaced ? listed : question.asked_at, x.device());
    if (fault == Guesses::sociable) x = x - x.mean(0, /*keepdim=*/true);
    return out_(at::gelu(x));
  }
  bool can_pack() const override { return fault == Guesses::padding; }

 private:
  torch::nn::Linear in_{nullptr}, out_{nullptr};
  nn::PositionTables positions_;
};

enum class Losses {
  sound,
  rising,    // gradients of the wrong sign
  detached,  // no gradient
  writing,   // in place
  counting,  // tells rows apart by number
  undefined  // no number
};

template <Losses fault>
class Loss : public Objective {
 public:
  Loss(NoOptions, const ObjectiveSetting&) {}
  TargetSpec target() const override { return {}; }
  at::Tensor refine(const at::Tensor& target) override { return at::layer_norm(target, {target.size(-1)}); }
  LossReport evaluate(const StepView& step) override {
    const Pair& pair = step.pairs.front();
    at::Tensor prediction = fault == Losses::detached ? pair.prediction.detach() : pair.prediction;
    at::Tensor cost = at::smooth_l1_loss(prediction, pair.target, at::Reduction::None).mean({1, 2});
    if (fault == Losses::counting) cost = cost * at::arange(cost.size(0));
    at::Tensor total = cost.mean();
    if (fault == Losses::rising) total = 2 * total.detach() - total;
    if (fault == Losses::undefined) total = total + std::numeric_limits<double>::infinity();
    return {total, {}};
  }
  void settle(const StepView& step) override {
    if (fault == Losses::writing) at::Tensor(step.pairs.front().target).mul_(0.5);
  }
};

void enroll(Registry& registry) {
  registry.modality<Data<Fault::none>, NoOptions>("sound");
  registry.modality<Data<Fault::restless>, NoOptions>("restless");
  registry.modality<Data<Fault::misshapen>, NoOptions>("misshapen");
  registry.modality<Data<Fault::infinite>, NoOptions>("infinite");
  registry.modality<Data<Fault::mislabelled>, NoOptions>("mislabelled");
  registry.modality<Data<Fault::untested>, NoOptions>("untested");
  registry.modality<Data<Fault::viewless>, NoOptions>("viewless");
  registry.modality<Gullible, FileOptions>("gullible");
  registry.masker<Halves<Plans::sound>, NoOptions>("sound");
  registry.masker<Halves<Plans::repeating>, NoOptions>("repeating");
  registry.masker<Halves<Plans::outside>, NoOptions>("outside");
  registry.masker<Halves<Plans::both>, NoOptions>("both");
  registry.masker<Halves<Plans::forgetful>, NoOptions>("forgetful");
  registry.masker<Halves<Plans::timid>, NoOptions>("timid");
  registry.encoder<Net<Nets::sound>, NoOptions>("sound");
  registry.encoder<Net<Nets::renumbering>, NoOptions>("renumbering");
  registry.encoder<Net<Nets::peeking>, NoOptions>("peeking");
  registry.encoder<Net<Nets::idle>, NoOptions>("idle");
  registry.encoder<Net<Nets::secretive>, NoOptions>("secretive");
  registry.encoder<Net<Nets::sociable>, NoOptions>("sociable");
  registry.encoder<Net<Nets::numb>, NoOptions>("numb");
  registry.encoder<Net<Nets::padding>, NoOptions>("padding");
  registry.encoder<Net<Nets::boastful>, NoOptions>("boastful");
  registry.predictor<Guess<Guesses::sound>, NoOptions>("sound");
  registry.predictor<Guess<Guesses::misplaced>, NoOptions>("misplaced");
  registry.predictor<Guess<Guesses::padding>, NoOptions>("padding");
  registry.predictor<Guess<Guesses::sociable>, NoOptions>("sociable");
  registry.objective<Loss<Losses::sound>, NoOptions>("sound");
  registry.objective<Loss<Losses::rising>, NoOptions>("rising");
  registry.objective<Loss<Losses::detached>, NoOptions>("detached");
  registry.objective<Loss<Losses::writing>, NoOptions>("writing");
  registry.objective<Loss<Losses::counting>, NoOptions>("counting");
  registry.objective<Loss<Losses::undefined>, NoOptions>("undefined");
}

}  // namespace
}  // namespace cairn::faulty

CAIRN_PLUGIN(faulty, "0.1.0", "Components with one fault each, and sound ones", cairn::faulty::enroll)

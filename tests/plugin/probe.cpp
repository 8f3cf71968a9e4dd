#include "cairn/cairn.h"

namespace cairn::probe {
namespace {

enum class Flavour : std::uint8_t { sweet, sour };

/// One of every kind of option.
struct DataOptions {
  std::string path;
  std::int64_t size = 32;
  double max_bad_share = 0.05;
  bool shuffle = true;
  std::array<double, 3> mean = {0.5, 0.5, 0.5};
  std::vector<std::int64_t> patch = {8, 8};
  std::vector<std::string> extensions = {".jpg", ".png"};
  static Schema<DataOptions> schema() {
    Schema<DataOptions> s("Samples that are all zero");
    s.option("path", &DataOptions::path, "folder of samples").path();
    s.option("size", &DataOptions::size, "height and width").range(8, 1024).multiple_of(8);
    s.option("max_bad_share", &DataOptions::max_bad_share, "share of unreadable samples that stops a run").range(0, 1);
    s.option("shuffle", &DataOptions::shuffle, "in another order each epoch");
    s.option("mean", &DataOptions::mean, "of each channel");
    s.option("patch", &DataOptions::patch, "extent of a token").range(1, 64);
    s.option("extensions", &DataOptions::extensions, "file name endings");
    return s;
  }
};

class Data final : public Modality {
 public:
  explicit Data(DataOptions options) : options_(std::move(options)) {}
  std::unique_ptr<SampleSource> open(Split, Purpose) const override { return nullptr; }
  TokenizerSpec tokenizer() const override { return {3, options_.patch, {Axis::height, Axis::width}}; }
  std::vector<ViewLayout> views(Purpose) const override {
    return {{tokenizer().grid({options_.size, options_.size}), ViewRole::global}};
  }

 private:
  DataOptions options_;
};

struct NetOptions {
  std::int64_t width = 0;
  std::int64_t depth = 2;
  double drop_path = 0.0;
  static Schema<NetOptions> schema() {
    Schema<NetOptions> s("An encoder that returns nothing");
    s.option("width", &NetOptions::width, "feature width").required().multiple_of(8).at_least(8);
    s.option("depth", &NetOptions::depth, "number of blocks").range(1, 64);
    s.option("drop_path", &NetOptions::drop_path, "share of residual branches dropped").range(0, 1);
    return s;
  }
};

class Net final : public Encoder {
 public:
  Net(NetOptions options, EncoderSetting) : options_(options) {}
  Encoded encode(const View&, const Look&) override { return {}; }
  std::int64_t width() const override { return options_.width; }
  std::int64_t depth() const override { return options_.depth; }

 private:
  NetOptions options_;
};

struct Group {
  std::int64_t count = 4;
  std::array<double, 2> scale = {0.15, 0.2};
  static Schema<Group> schema() {
    Schema<Group> s("A group of blocks");
    s.option("count", &Group::count, "number of blocks").required().at_least(1);
    s.option("scale", &Group::scale, "share of the grid").range(0, 1);
    return s;
  }
};

struct BlockOptions {
  std::vector<Group> groups;
  std::array<double, 2> spatial_scale = {0.15, 0.2};
  Flavour flavour = Flavour::sweet;
  static Schema<BlockOptions> schema() {
    Schema<BlockOptions> s("Sees the first token, asks about the second");
    s.option("groups", &BlockOptions::groups, "groups of blocks");
    s.option("spatial_scale", &BlockOptions::spatial_scale, "share of height and width").range(0, 1);
    s.option<Flavour>("flavour", &BlockOptions::flavour, {{"sweet", Flavour::sweet}, {"sour", Flavour::sour}}, "taste");
    return s;
  }
};

class Blocks final : public Masker {
 public:
  explicit Blocks(BlockOptions) {}
  Plan plan(std::span<const ViewLayout>, std::int64_t batch, const Progress&, Rng&) const override {
    const at::Tensor first = at::zeros({batch, 1}, at::kLong);
    return {{{0, {first}, {}}}, {{0, 0, {first + 1}}}};
  }
};

struct NoOptions {
  static Schema<NoOptions> schema() { return Schema<NoOptions>("Nothing to choose"); }
};

class Head final : public Projector {
 public:
  Head(NoOptions, ProjectorSetting setting) : width_(setting.input_width) {}
  at::Tensor project(const at::Tensor& pooled) override { return pooled; }
  std::int64_t width() const override { return width_; }

 private:
  std::int64_t width_;
};

class Guess final : public Predictor {
 public:
  Guess(NoOptions, PredictorSetting) {}
  at::Tensor predict(const Question& question) override { return question.seen.tokens; }
};

struct LossOptions {
  std::string norm = "layer";
  double beta = 1.0;
  static Schema<LossOptions> schema() {
    Schema<LossOptions> s("A loss that throws");
    s.option("norm", &LossOptions::norm, "normalisation of the target").choices({"none", "layer", "patch"});
    s.option("beta", &LossOptions::beta, "where smooth L1 turns linear").at_least(0);
    return s;
  }
};

class Loss final : public Objective {
 public:
  Loss(LossOptions, ObjectiveSetting) {}
  TargetSpec target() const override { return {}; }
  LossReport evaluate(const StepView&) override { throw std::runtime_error("nothing to lose"); }
};

void enroll(Registry& registry) {
  registry.modality<Data, DataOptions>("data");
  registry.encoder<Net, NetOptions>("net");
  registry.projector<Head, NoOptions>("head");
  registry.masker<Blocks, BlockOptions>("blocks");
  registry.predictor<Guess, NoOptions>("guess");
  registry.objective<Loss, LossOptions>("loss");
}

}  // namespace
}  // namespace cairn::probe

CAIRN_PLUGIN(probe, "0.1.0", "One component of each kind, for the tests", cairn::probe::enroll)

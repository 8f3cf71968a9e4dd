#include "plugin/guarded_modality.h"

#include <utility>

#include "plugin/guard.h"

namespace cairn {
namespace {

class GuardedSource : public SampleSource {
 public:
  GuardedSource(std::unique_ptr<SampleSource> source, std::string type)
      : source_(std::move(source)), type_(std::move(type)) {}

  std::int64_t size() const override { return source_->size(); }
  Sample load(std::int64_t index, Rng& rng) const override {
    return call_plugin(type_, [&] { return source_->load(index, rng); });
  }
  std::string name(std::int64_t index) const override {
    return call_plugin(type_, [&] { return source_->name(index); });
  }
  std::vector<std::string> classes() const override {
    return call_plugin(type_, [&] { return source_->classes(); });
  }
  ReadOrder read_order() const override { return source_->read_order(); }

 private:
  std::unique_ptr<SampleSource> source_;
  std::string type_;
};

class GuardedModality : public Modality {
 public:
  GuardedModality(std::shared_ptr<const Modality> modality, std::string type)
      : modality_(std::move(modality)), type_(std::move(type)) {}

  std::unique_ptr<SampleSource> open(Split split, Purpose purpose) const override {
    auto source = call_plugin(type_, [&] { return modality_->open(split, purpose); });
    return source ? std::make_unique<GuardedSource>(std::move(source), type_) : nullptr;
  }
  TokenizerSpec tokenizer() const override {
    return call_plugin(type_, [&] { return modality_->tokenizer(); });
  }
  std::vector<ViewLayout> views(Purpose purpose) const override {
    return call_plugin(type_, [&] { return modality_->views(purpose); });
  }
  std::optional<Companion> companion() const override {
    auto companion = call_plugin(type_, [&] { return modality_->companion(); });
    if (companion) companion->modality = guarded_modality(companion->modality, type_);
    return companion;
  }
  Batch collate(const std::vector<Sample>& samples, Purpose purpose) const override {
    return call_plugin(type_, [&] { return modality_->collate(samples, purpose); });
  }
  void prepare(Batch& batch, Purpose purpose, Rng& rng) const override {
    call_plugin(type_, [&] { modality_->prepare(batch, purpose, rng); });
  }
  at::Tensor patches(const View& view) const override {
    return call_plugin(type_, [&] { return modality_->patches(view); });
  }
  at::Tensor display(const View& view) const override {
    return call_plugin(type_, [&] { return modality_->display(view); });
  }
  std::optional<std::filesystem::path> render(const Batch& batch, int view, std::int64_t row,
                                              const std::filesystem::path& stem) const override {
    return call_plugin(type_, [&] { return modality_->render(batch, view, row, stem); });
  }
  at::Tensor unpatch(const at::Tensor& patches, const TokenGrid& grid) const override {
    return call_plugin(type_, [&] { return modality_->unpatch(patches, grid); });
  }

 private:
  std::shared_ptr<const Modality> modality_;
  std::string type_;
};

}  // namespace

std::shared_ptr<Modality> guarded_modality(std::shared_ptr<const Modality> modality, std::string type) {
  return std::make_shared<GuardedModality>(std::move(modality), std::move(type));
}

}  // namespace cairn

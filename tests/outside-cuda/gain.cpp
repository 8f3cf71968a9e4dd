#include <ATen/ATen.h>

#include "cairn/cairn.h"
#ifdef CAIRN_PLUGIN_CUDA
#include <c10/cuda/CUDAStream.h>

#include "scale.h"
#endif

namespace cairn::gain {
namespace {

constexpr float kGain = 2;

struct NoOptions {
  static Schema<NoOptions> schema() { return Schema<NoOptions>("Noise that is made louder on the device"); }
};

class Noise : public SampleSource {
 public:
  std::int64_t size() const override { return 32; }
  std::string name(std::int64_t index) const override { return "noise #" + std::to_string(index); }
  std::vector<std::string> classes() const override { return {}; }
  Sample load(std::int64_t index, Rng& rng) const override {
    Sample sample{{at::empty({1, 16})}, index, -1, {}};
    for (std::int64_t i = 0; i < 16; ++i)
      sample.views[0].mutable_data_ptr<float>()[i] = static_cast<float>(rng.normal());
    return sample;
  }
};

at::Tensor amplified(const at::Tensor& data) {
#ifdef CAIRN_PLUGIN_CUDA
  if (data.is_cuda()) {
    at::Tensor louder = data.clone(at::MemoryFormat::Contiguous);
    scale_on_device(louder.mutable_data_ptr<float>(), louder.numel(), kGain,
                    c10::cuda::getCurrentCUDAStream().stream());
    return louder;
  }
#endif
  return data * kGain;
}

class Amplified : public Modality {
 public:
  explicit Amplified(NoOptions) {}
  std::unique_ptr<SampleSource> open(Split, Purpose) const override { return std::make_unique<Noise>(); }
  TokenizerSpec tokenizer() const override { return {1, {4}, {Axis::time}}; }
  std::vector<ViewLayout> views(Purpose) const override { return {{tokenizer().grid({16}), ViewRole::global}}; }
  void prepare(Batch& batch, Purpose, Rng&) const override {
    for (View& view : batch.views) view.data = amplified(view.data);
  }
};

void enroll(Registry& registry) { registry.modality<Amplified, NoOptions>("amplified"); }

}  // namespace
}  // namespace cairn::gain

CAIRN_PLUGIN(gain, "0.1.0", "A modality with a CUDA kernel", cairn::gain::enroll)

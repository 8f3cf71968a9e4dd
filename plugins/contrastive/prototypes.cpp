#include "prototypes.h"

#include <ATen/ATen.h>

#include <cmath>

#include "cairn/nn/initialise.h"
#include "views.h"

namespace cairn::contrastive {

Schema<PrototypesOptions> PrototypesOptions::schema() {
  using O = PrototypesOptions;
  Schema<O> s("MLP, a bottleneck of length 1 and scores of prototypes: the heads of DINO and SwAV");
  s.option("bottleneck", &O::bottleneck, "width of the features that prototypes are compared with").range(1, 1 << 16);
  s.option("prototypes", &O::prototypes, "number of prototypes, the output width").range(2, 1 << 20);
  s.option("prototype_norm", &O::prototype_norm,
           {{"normed", PrototypeNorm::normed}, {"projected", PrototypeNorm::projected}, {"free", PrototypeNorm::free}},
           "weight norm of length 1 as in DINO, set back to length 1 before each pass as in SwAV, or neither");
  s.option("small_start", &O::small_start, "linear maps start normal of deviation 0.02 with biases 0, as in DINO");
  nn::add_head_options(s);
  return s;
}

Prototypes::Prototypes(const PrototypesOptions& options, const ProjectorSetting& setting)
    : options_(options),
      head_(register_module("head", std::make_shared<nn::MlpHead>(options, setting.input_width, options.bottleneck))) {
  if (options.small_start) nn::initialise(*head_, nn::Init::jepa);
  // As torch.nn.Linear starts, which both originals leave their prototypes at.
  const double bound = 1.0 / std::sqrt(static_cast<double>(options.bottleneck));
  prototypes_ =
      register_parameter("prototypes", at::empty({options.prototypes, options.bottleneck}).uniform_(-bound, bound));
}

at::Tensor Prototypes::directions() {
  if (options_.prototype_norm == PrototypeNorm::normed) return unit_rows(prototypes_);
  if (options_.prototype_norm == PrototypeNorm::projected && is_training()) {
    const at::NoGradGuard no_grad;
    // Several passes of one step share the weights: their saved versions must stay valid, hence the alias.
    at::Tensor alias = prototypes_.variable_data();
    alias.copy_(unit_rows(alias));
  }
  return prototypes_;
}

at::Tensor Prototypes::project(const at::Tensor& pooled) {
  const at::Tensor scores = unit_rows(head_->forward(pooled)).to(at::kFloat);
  return scores.matmul(directions().t());
}

}  // namespace cairn::contrastive

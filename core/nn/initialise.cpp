#include "cairn/nn/initialise.h"

#include <ATen/ATen.h>

#include <cmath>

#include "cairn/nn/tokens.h"
#include "nn/skip_random_fill.h"

namespace cairn::nn {

namespace {

void fill(at::Tensor weight, at::Tensor bias, Init init) {
  const at::NoGradGuard no_grad;
  if (bias.defined()) bias.zero_();
  if (init == Init::jepa) return fill_normal(weight);
  const double bound = std::sqrt(6.0 / static_cast<double>(weight.size(0) + weight.size(1)));
  weight.uniform_(-bound, bound);
}

}  // namespace

void fill_normal(at::Tensor weight) {
  if (SkipRandomFill::is_active()) return;
  const at::NoGradGuard no_grad;
  weight.normal_(0.0, 0.02).clamp_(-2.0, 2.0);
}

void initialise(const torch::nn::Module& root, Init init) {
  for (const auto& module : root.modules(/*include_self=*/false)) {
    if (const auto* linear = module->as<torch::nn::LinearImpl>()) {
      fill(linear->weight, linear->bias, init);
    } else if (const auto* patch = module->as<PatchEmbed>()) {
      fill(patch->weight, patch->bias, init);
    } else if (auto* norm = module->as<torch::nn::LayerNormImpl>()) {
      norm->reset_parameters();
    }
  }
}

void rescale_by_depth(const Blocks& blocks) {
  if (SkipRandomFill::is_active()) return;
  const at::NoGradGuard no_grad;
  double depth = 0.0;
  for (const auto& block : blocks.all()) {
    const double divisor = std::sqrt(2.0 * ++depth);
    block->attention->projection->weight.div_(divisor);
    block->mlp->fc2->weight.div_(divisor);
  }
}

}  // namespace cairn::nn

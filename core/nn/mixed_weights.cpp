#include "nn/mixed_weights.h"

#include <ATen/ATen.h>

#include <utility>

namespace cairn::nn {
namespace {

thread_local std::shared_ptr<const MixedWeights::Copies> current;

std::shared_ptr<const MixedWeights::Copies> copies_of(const std::vector<at::Tensor>& flat) {
  const at::NoGradGuard no_grad;
  MixedWeights::Copies copies;
  for (const at::Tensor& whole : flat) copies.push_back({whole, whole.to(at::kBFloat16)});
  return std::make_shared<const MixedWeights::Copies>(std::move(copies));
}

}  // namespace

MixedWeights::MixedWeights(const std::vector<at::Tensor>& flat) : MixedWeights(copies_of(flat)) {}

MixedWeights::MixedWeights(std::shared_ptr<const Copies> copies) : outer_(std::exchange(current, std::move(copies))) {}

MixedWeights::~MixedWeights() { current = std::move(outer_); }

std::shared_ptr<const MixedWeights::Copies> MixedWeights::now() { return current; }

at::Tensor half(const at::Tensor& weight) {
  const at::NoGradGuard no_grad;
  if (current && weight.scalar_type() == at::kFloat && weight.is_contiguous())
    for (const MixedWeights::Copy& copy : *current)
      if (weight.is_alias_of(copy.whole))
        return copy.half.narrow(0, weight.storage_offset() - copy.whole.storage_offset(), weight.numel())
            .view(weight.sizes());
  return weight.to(at::kBFloat16);
}

at::Tensor own_gradient(const at::Tensor& weight) {
  if (!current || !weight.is_cuda() || !weight.is_leaf()) return {};
  const at::Tensor gradient = weight.grad();
  return gradient.defined() && gradient.scalar_type() == at::kFloat && gradient.is_contiguous() ? gradient
                                                                                                : at::Tensor();
}

}  // namespace cairn::nn

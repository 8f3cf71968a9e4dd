#include "nn/training_pass.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace cairn::nn {
namespace {

thread_local std::shared_ptr<const TrainingPass::Copies> current;

}  // namespace

TrainingPass::TrainingPass(std::shared_ptr<const Copies> copies) : outer_(std::exchange(current, std::move(copies))) {}

TrainingPass::~TrainingPass() { current = std::move(outer_); }

std::shared_ptr<const TrainingPass::Copies> TrainingPass::now() { return current; }

at::Tensor half(const at::Tensor& weight) {
  const at::NoGradGuard no_grad;
  if (current && weight.scalar_type() == at::kFloat && weight.is_contiguous())
    for (const TrainingPass::Copy& copy : *current)
      if (weight.is_alias_of(copy.whole))
        return copy.half.narrow(0, weight.storage_offset() - copy.whole.storage_offset(), weight.numel())
            .view(weight.sizes());
  return weight.to(at::kBFloat16);
}

void keep_own_gradient(torch::autograd::AutogradContext* context, const char* name, const at::Tensor& parameter) {
  if (!current || !parameter.defined() || !parameter.is_leaf() || !parameter.requires_grad()) return;
  const at::Tensor gradient = parameter.grad();
  if (!gradient.defined() || gradient.scalar_type() != at::kFloat || !gradient.is_contiguous()) return;
  context->saved_data[name] = gradient;
}

at::Tensor own_gradient(torch::autograd::AutogradContext* context, const char* name) {
  const auto found = context->saved_data.find(name);
  return found == context->saved_data.end() ? at::Tensor() : found->second.toTensor();
}

at::Tensor added(const at::Tensor& own, const at::Tensor& found) {
  if (!own.defined()) return found;
  own.add_(found);
  return {};
}

}  // namespace cairn::nn

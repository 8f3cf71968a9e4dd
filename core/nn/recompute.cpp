#include "nn/recompute.h"

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <memory>
#include <utility>

#include "nn/autocast.h"
#include "nn/maybe_tensor.h"
#include "nn/training_pass.h"

namespace cairn::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

thread_local bool enabled_here = false;

/// What a block's pass depends on beside its inputs.
struct Setting : torch::CustomClassHolder {
  std::function<Residual(const Residual&)> work;
  std::shared_ptr<const TrainingPass::Copies> training;
  bool is_mixed = false;
};

class Recompute : public torch::autograd::Function<Recompute> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& sum, const MaybeTensor& branch,
                               const at::Tensor& /*learnt*/, const c10::intrusive_ptr<Setting>& setting) {
    context->set_materialize_grads(false);
    context->save_for_backward({sum, branch.value_or(at::Tensor())});
    context->saved_data["setting"] = c10::IValue::make_capsule(setting);
    const Residual out = setting->work({sum, branch.value_or(at::Tensor())});
    return out[1].defined() ? variable_list{out[0], out[1]} : variable_list{out[0]};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto setting = c10::static_intrusive_pointer_cast<Setting>(context->saved_data["setting"].toCapsule());
    Residual inputs;
    const variable_list saved = context->get_saved_variables();
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (saved[i].defined()) inputs[i] = saved[i].detach().requires_grad_(true);
    variable_list roots, of_roots;
    {
      const at::AutoGradMode with_grad(true);
      const Autocast cast(inputs[0].device().type(), setting->is_mixed);
      const TrainingPass training(setting->training);
      const Residual out = setting->work(inputs);
      for (std::size_t i = 0; i < gradients.size(); ++i)
        if (gradients[i].defined()) roots.push_back(out[i]), of_roots.push_back(gradients[i]);
    }
    if (!roots.empty()) torch::autograd::backward(roots, of_roots);
    return {inputs[0].grad(), inputs[1].defined() ? inputs[1].grad() : at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

RecomputeBlocks::RecomputeBlocks(bool enabled) : former_(std::exchange(enabled_here, enabled)) {}

RecomputeBlocks::~RecomputeBlocks() { enabled_here = former_; }

bool recomputes_blocks() { return enabled_here && at::GradMode::is_enabled(); }

Residual recomputed(const Residual& inputs, const at::Tensor& learnt, std::function<Residual(const Residual&)> work) {
  const auto setting = c10::make_intrusive<Setting>();
  setting->work = std::move(work);
  setting->training = TrainingPass::now();
  setting->is_mixed = is_mixed(inputs[0].device());
  const variable_list out = Recompute::apply(inputs[0], present(inputs[1]), learnt, setting);
  return {out[0], out.size() > 1 ? out[1] : at::Tensor()};
}

}  // namespace cairn::nn
